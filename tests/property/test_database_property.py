"""Whatever is inserted, imported, claimed and erased in whatever order: a file and a server have the same rows."""

from __future__ import annotations

import tempfile
from contextlib import closing, suppress
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from Heatmap.errors import StorageError
from Heatmap.events import Coverage, LiquidationEvent, Side
from Heatmap.storage import sql
from Heatmap.storage.contract import ImportedFile
from Heatmap.storage.coverage_gaps import coverage_gaps
from Heatmap.storage.database import database_of
from Heatmap.storage.postgres.connection import connect

T = 1_790_000_000_000
symbols = st.sampled_from(["A", "B"])
sources = st.sampled_from(["binance", "demo"])
# Few different values, so that the same event comes again and again; now and then one that is refused.
events = st.lists(
    st.builds(
        LiquidationEvent,
        ts_ms=st.integers(T, T + 2001),
        symbol=symbols,
        side=st.sampled_from(Side),
        price=st.sampled_from([1.5, 0.1 + 0.2, 5e-324, 1.7e308]),
        qty=st.sampled_from([0.25, 3.0]),
        notional=st.sampled_from([1.0] * 30 + [float("nan"), -1.0]),
        source=sources,
        order_price=st.sampled_from([None, 1.5, 0.0]),
        order_qty=st.sampled_from([None, 0.25]),
        event_ms=st.sampled_from([None, T, 2**63 - 1]),
        received_ms=st.sampled_from([None, T + 5]),
        raw_json=st.one_of(st.none(), st.text(st.characters(exclude_characters="\0"), max_size=5)),
    ),
    max_size=8,
)
spans = st.lists(
    st.builds(lambda *where, at_ms, ms: Coverage(*where, at_ms, at_ms + ms), sources, symbols,
              at_ms=st.integers(T, T + 2000), ms=st.integers(0, 900)), max_size=4,
)  # fmt: skip
insertion = st.tuples(st.just("insert"), events, spans)
importing = st.tuples(st.just("import"), events, st.booleans())
claim = st.tuples(st.just("claim"), spans)
erasure = st.tuples(st.just("erase"), sources)
operations = st.lists(st.one_of(insertion, importing, claim, erasure), max_size=6)


def applied(database, steps):
    """Do the steps; return what each of them answered."""
    answers = []
    for name, what, *more in steps:
        answer = "refused"
        with suppress(StorageError):
            if name == "insert":
                answer = database.insert(what, *more)
            elif name == "erase":
                answer = database.erase(what)
            else:
                with database.importer() as importer:
                    if name == "claim":
                        answer = importer.claim(what)
                    else:
                        answer = importer.insert(ImportedFile("a.csv", "csv", T), what, by_second=more[0])
        answers.append(answer)
    return answers


def contents(database):
    with database.importer(), database.reader() as reader:
        return [
            list(reader.query(f"SELECT {sql.EVENT_COLUMNS}, import_id IS NULL FROM liq_events ORDER BY id")),  # noqa: S608 - ours
            list(reader.query("SELECT source, symbol, start_ms, end_ms FROM coverage ORDER BY id")),
            list(reader.query("SELECT file, rows FROM imports ORDER BY id")),
            database.summary().series,
            [coverage_gaps(reader, source, None, T) for source in ("binance", "demo")],
            [list(reader.replayed("A", source, T, 2 * T, 7)) for source in ("binance", "demo")],
        ]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=operations)
def test_a_file_and_a_server_have_the_same_rows(server_url, steps):
    on_server = database_of(server_url)
    with closing(connect(on_server.address)) as connection:
        connection.execute("DROP SCHEMA IF EXISTS heatmap CASCADE")
    with tempfile.TemporaryDirectory() as folder:
        file = database_of(Path(folder) / "record.sqlite3")
        assert applied(file, steps) == applied(on_server, steps)
        first, second = contents(file), contents(on_server)
        for rows in (first[0], second[0]):
            rows[:] = [(*row[:-1], bool(row[-1])) for row in rows]
        assert first == second
