"""The declared settings: defaults, ranges, reading of stored text, helper spans."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Heatmap.aggregation.palettes import palette_names
from Heatmap.errors import SettingsError
from Heatmap.events import Source
from Heatmap.heatmap_settings import (
    FIELDS,
    HeatmapSettings,
    Kind,
    decay_half_life_ms,
    trail_half_life_ms,
    window_ms,
)
from Heatmap.source_choice import ALL, VENUES
from Heatmap.vocabulary import PALETTE_NAMES


def test_every_named_palette_is_defined():
    assert palette_names() == PALETTE_NAMES


@pytest.mark.parametrize("spec", FIELDS.values(), ids=list(FIELDS))
def test_every_field_takes_its_whole_range_and_nothing_beyond(spec):
    if spec.kind is Kind.FLAG:
        inside, outside = [True, False], [1, "true", None]
    elif spec.kind in (Kind.CHOICE, Kind.SOURCES):
        inside, outside = list(spec.choices), [spec.choices[0].swapcase(), "", None, 8, [spec.choices[0]]]
    else:
        inside = [spec.minimum, spec.maximum, float(spec.minimum)]
        outside = [spec.minimum - 1, spec.maximum + 1, True, "50", None, float("nan"), float("inf")]
    for value in inside:
        assert getattr(HeatmapSettings().replaced(**{spec.key: value}), spec.key) == value
    for value in outside:
        with pytest.raises(SettingsError, match=spec.key):
            HeatmapSettings().replaced(**{spec.key: value})


def test_the_constructor_checks_too():
    with pytest.raises(SettingsError, match=r"expected one of 2h, 8h, 2d, was '3h'"):
        HeatmapSettings(window="3h")


def test_a_whole_number_is_whole():
    assert type(HeatmapSettings(opacity=50.0).opacity) is int
    with pytest.raises(SettingsError, match="whole"):
        HeatmapSettings(opacity=50.5)


def test_an_unknown_name_is_refused_and_named():
    with pytest.raises(SettingsError, match="'opacitiy'"):
        HeatmapSettings().replaced(opacitiy=5)


def test_stored_false_is_false():
    settings, problems = HeatmapSettings.from_mapping({"enabled": "false", "smooth": "0"})
    assert (settings.enabled, settings.smooth, problems) == (False, False, [])


def test_bad_stored_values_give_the_default_and_a_sentence_each():
    stored = {
        "enabled": "maybe",
        "opacity": "-1",
        "window": ["8h", "2d"],
        "clip_percentile": "nan",
        "decay": "6h",
        "manual_rows": None,
        "gone": "1",
    }
    settings, problems = HeatmapSettings.from_mapping(stored)
    assert settings == HeatmapSettings(decay="6h")
    for key in stored.keys() - {"decay"}:
        assert sum(repr(key) in problem for problem in problems) == 1, key
    assert len(problems) == 6


@pytest.mark.parametrize("source", Source)
def test_a_source_of_an_earlier_version_is_that_source(source):
    settings, problems = HeatmapSettings.from_mapping({"source": str(source)})
    assert (settings.source, settings.sources, problems) == (source, (source,), [])


@given(st.lists(st.sampled_from(VENUES), min_size=1))
def test_any_exchanges_can_be_chosen_together_in_any_order(venues):
    settings, problems = HeatmapSettings.from_mapping({"source": " + ".join(venues)})
    assert not problems
    assert settings.sources == tuple(venue for venue in VENUES if venue in venues)
    assert HeatmapSettings(source=settings.source) == settings
    assert (settings.source == ALL) == (set(venues) == set(VENUES))


def test_all_exchanges_are_one_word_that_stays():
    assert HeatmapSettings(source="all").source == "all"
    assert HeatmapSettings(source="all").sources == VENUES


@pytest.mark.parametrize(
    "text", ["binance+demo", "replay+demo", "binance-coinm+binance", "all+binance", "binance,bybit", "+", "binance+", 5]
)
def test_a_wrong_choice_of_sources_is_harmless(text):
    settings, problems = HeatmapSettings.from_mapping({"source": text})
    assert settings == HeatmapSettings()
    assert len(problems) == 1


def test_manual_numbers_have_an_effect_only_in_manual_resolution():
    automatic = HeatmapSettings()
    by_number, by_size = automatic.replaced(resolution="manual"), automatic.replaced(resolution="pixels")
    for keys, effective, other in (
        (("manual_rows", "manual_cols"), by_number, by_size),
        (("px_per_row", "px_per_col"), by_size, by_number),
    ):
        for key in keys:
            assert not FIELDS[key].is_effective(automatic)
            assert not FIELDS[key].is_effective(other)
            assert FIELDS[key].is_effective(effective)
    assert FIELDS["opacity"].is_effective(automatic)


@pytest.mark.parametrize(("word", "hours"), [("2h", 2), ("8h", 8), ("2d", 48)])
def test_window_length(word, hours):
    assert window_ms(HeatmapSettings(window=word)) == hours * 3_600_000


def test_half_lives():
    assert decay_half_life_ms(HeatmapSettings(decay="off")) is None
    assert decay_half_life_ms(HeatmapSettings(decay="60m")) == 3_600_000
    assert decay_half_life_ms(HeatmapSettings(decay="6h")) == 6 * 3_600_000
    assert trail_half_life_ms(HeatmapSettings(trail="off")) is None
    assert trail_half_life_ms(HeatmapSettings(trail="5m")) == 300_000


def test_the_settings_load_neither_qt_nor_numba_nor_numpy():
    code = (
        "import sys, Heatmap.heatmap_settings; "
        "print(sorted({'PyQt6', 'numba', 'numpy'} & {name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
