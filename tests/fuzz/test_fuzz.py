"""The short form of the fuzzing, and every input that was once found to fail."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from fuzz.stored import STORED
from fuzz.target import fuzz
from fuzz.targets import TARGETS, closing_all
from Heatmap.errors import QueryError, StorageError

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())
INPUTS = 2500


@pytest.fixture(scope="module", autouse=True)
def _closed(qapp):
    del qapp
    with closing_all():
        yield


def test_shares_are_those_of_a_whole():
    assert sum(target.share for target in TARGETS) == pytest.approx(1.0)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_only_the_documented_error_comes_out(target):
    result = fuzz(target, max(round(INPUTS * target.share), 5), seed=1)
    assert result.faults == {}
    # Some pass and some do not: else the mutations would miss the point.
    assert result.refused or not target.documented


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_what_was_found_stays_mended(path):
    name = path.name.partition("--")[0].replace("-", " ")
    (target,) = (target for target in TARGETS if target.name == name)
    data = path.read_bytes()
    with suppress(*target.documented):
        target.run(data)


@pytest.mark.parametrize(
    "statements",
    [
        "PRAGMA user_version = -1",
        "UPDATE liq_events SET price = '0x10'",
        "UPDATE liq_events SET ts_ms = 1e40",
        "UPDATE liq_events SET price = -1.0",
        "UPDATE liq_events SET notional = 9e999",
        "UPDATE liq_events SET symbol = char(27) || '[2J' || char(10) || 'forged'",
        "UPDATE liq_events SET source = char(8238)",
        "UPDATE coverage SET start_ms = '@SUM(1)'",
        "UPDATE liq_events SET side = x'ff'",
    ],
)
def test_databases_that_somebody_altered(statements):
    """Without STRICT a column takes anything."""
    path = STORED.folder / "altered.sqlite3"
    path.write_bytes(STORED.database)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:  # noqa: TID251 - as any tool could
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'STRICT', '')")
        connection.execute("PRAGMA schema_version = 1000")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(statements)
    with suppress(StorageError, QueryError):
        STORED.open_database(path.read_bytes())
