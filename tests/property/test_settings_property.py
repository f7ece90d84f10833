"""Whatever a store holds, reading it gives valid settings; what was valid comes back unchanged."""

from hypothesis import given
from hypothesis import strategies as st

from Heatmap.heatmap_settings import FIELDS, HeatmapSettings, Kind
from Heatmap.source_choice import VENUES

ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.lists(st.text(), max_size=3),
    st.sampled_from(["true", "false", "8h", "2d", "85", "99.5", "1e400", "-0"]),
)


def of_venues(venues):
    return "+".join(venues)


def valid(spec):
    if spec.kind is Kind.FLAG:
        return st.booleans()
    if spec.kind is Kind.CHOICE:
        return st.sampled_from(spec.choices)
    if spec.kind is Kind.SOURCES:
        return st.one_of(st.sampled_from(spec.choices), st.sets(st.sampled_from(VENUES), min_size=1).map(of_venues))
    if spec.kind is Kind.INTEGER:
        return st.integers(int(spec.minimum), int(spec.maximum))
    return st.floats(spec.minimum, spec.maximum)


@given(st.dictionaries(st.one_of(st.sampled_from(list(FIELDS)), st.text()), ANYTHING))
def test_reading_never_fails_and_names_what_it_left(stored):
    settings, problems = HeatmapSettings.from_mapping(stored)
    assert HeatmapSettings(**settings.as_mapping()) == settings
    taken = sum(key in FIELDS and not any(repr(key) in problem for problem in problems) for key in stored)
    assert taken + len(problems) >= len(stored)


@given(st.fixed_dictionaries({key: valid(spec) for key, spec in FIELDS.items()}))
def test_stored_as_text_and_read_again_is_the_same(values):
    settings = HeatmapSettings(**values)
    as_text = {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in settings.as_mapping().items()
    }
    assert HeatmapSettings.from_mapping(as_text) == (settings, [])
