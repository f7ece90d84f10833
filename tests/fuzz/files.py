"""Imported files: every layout, plain and in archives."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from support import recordings as rec

from fuzz.frames import DATA, check_event
from fuzz.target import Target
from Heatmap.errors import RecordFileError, RowError
from Heatmap.events import LiquidationEvent
from Heatmap.importing.column_names import ColumnMap
from Heatmap.importing.import_filter import ImportOptions, parsed_sizes
from Heatmap.importing.import_source import ImportSource, import_sources
from Heatmap.importing.importer import FileReport, import_file
from Heatmap.storage.record_reader import COLUMNS, NPZ_COLUMNS, NPZ_UNKNOWN_MS
from Heatmap.storage.sqlite.bulk_insert import SqliteImportWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from fuzz.mutation import Mutator

_CONTROL: Final = "".join(map(chr, (*range(32), 127, 0x9B, 0x2028, 0x202E)))
SIZES: Final = parsed_sizes(["BTCUSDT=0.01"])
OPTIONS: Final = (
    ImportOptions(contract_sizes=SIZES),
    ImportOptions("BTCUSDT", keep_raw=True, contract_sizes=SIZES),
    ImportOptions(symbol_suffix="USDT", coin_m_as="BTCUSDT"),
    ImportOptions("BTCUSDT", columns=ColumnMap.parse("time=1,side=3,price=4,qty=5,symbol=2")),
    ImportOptions("BTCUSDT", columns=ColumnMap.parse("time=o.T,side=o.S,price=o.ap,qty=o.z")),
)


def _own_rows() -> list[dict[str, object]]:
    return [
        {
            "ts_ms": one.time_ms, "symbol": one.symbol, "side": one.side, "price": float(one.price),
            "qty": float(one.qty), "notional": float(one.price) * float(one.qty), "source": "binance",
            "order_price": float(one.order_price), "order_qty": float(one.order_qty), "event_ms": one.time_ms + 1003,
            "received_ms": one.time_ms + 1100, "raw_json": json.dumps(one.frame()),
        }
        for one in rec.LIQUIDATIONS
    ]  # fmt: skip


def _own_csv() -> str:
    rows = [[f'"{str(row[name]).replace(chr(34), 2 * chr(34))}"' for name in COLUMNS] for row in _own_rows()]
    return "\n".join([",".join(COLUMNS), *map(",".join, rows)]) + "\n"


TABLES: Final = tuple(
    text.encode()
    for text in (
        rec.table(rec.ARCHIVE_HEADER, lambda one: one.archive()),
        rec.table(rec.RECORDER_HEADER, lambda one: one.recorder()),
        rec.table(rec.PLAIN_HEADER, rec.plain),
        rec.table(rec.CRYPTOFEED_HEADER, rec.cryptofeed),
        rec.table(rec.CCXT_HEADER, rec.ccxt),
        rec.table(rec.TARDIS_HEADER, rec.tardis),
        rec.table(rec.TARDIS_HEADER, rec.tardis).replace("binance-futures", "okex-swap"),
        rec.table(rec.PLAIN_HEADER, rec.semicolons, delimiter=";"),
        _own_csv(),
        (DATA / "liquidationSnapshot_BTCUSD_PERP_2024-10-01.csv").read_text(),
    )
)
FRAMES: Final = tuple(json.dumps(frame).encode() for frame in (*rec.frames(), {"e": rec.T, "raw": rec.frames()[0]}))
ARRAYS: Final = (
    json.dumps(rec.frames(), indent=1).encode(),
    json.dumps([[rec.T, each] for each in rec.frames()]).encode(),
)


def _table(mutator: Mutator) -> bytes:
    data = mutator.table(mutator.random.choice(TABLES))
    return data if mutator.random.random() < 0.9 else data.decode("utf-8", "replace").encode("utf-16")


def _json(mutator: Mutator) -> bytes:
    if mutator.random.random() < 0.3:
        return mutator.json_text(mutator.random.choice(ARRAYS))
    lines = [mutator.json_text(mutator.random.choice(FRAMES)) for _ in range(mutator.random.randint(1, 3))]
    if mutator.random.random() < 0.1:
        with contextlib.suppress(ValueError, RecursionError, UnicodeError):
            lines = [repr(json.loads(line)).encode("utf-8", "surrogatepass") for line in lines]
    return b"\n".join(lines)


def _npz(mutator: Mutator) -> bytes:
    with warnings.catch_warnings(action="ignore"):  # NumPy warns of what does not fit
        return _changed(mutator, _altered_npz(mutator), 0.6)


def _altered_npz(mutator: Mutator) -> bytes:
    rows, file = _own_rows(), io.BytesIO()
    columns: dict[str, np.ndarray] = {name: np.array([row[name] for row in rows]) for name in NPZ_COLUMNS}
    for _ in range(mutator.random.randint(0, 2)):
        name = mutator.random.choice(list(columns))
        dtype = mutator.random.choice(
            ("<f8", "<i8", "<U1", "<U0", "|b1", "<M8[ms]", "<M8[Y]", "<c16", "<u8", "<f2", "S4", "<i8,<f8")
        )
        with contextlib.suppress(ValueError, TypeError, OverflowError, RuntimeError):
            columns[name] = columns[name].astype(dtype)
    if mutator.random.random() < 0.5:
        name = mutator.random.choice(list(columns))
        value = mutator.random.choice((np.nan, np.inf, -1.0, 0.0, NPZ_UNKNOWN_MS, -(2**63), 2**62, "=1", "\n", ""))
        with contextlib.suppress(ValueError, TypeError, OverflowError):
            columns[name][0] = value
    np.savez(file, **columns)
    return file.getvalue()


def _archive(mutator: Mutator) -> bytes:
    inner = [mutator.random.choice((_table, _json))(mutator) for _ in range(mutator.random.randint(1, 3))]
    if mutator.random.random() < 0.3:
        return _changed(mutator, gzip.compress(inner[0], 1), 0.6)
    file = io.BytesIO()
    names = (
        "a.csv",
        "../../a.csv",
        "/etc/passwd",
        "a\nb",
        "a\x1b[31m.csv",
        "<b>a</b>",
        "BTCUSDT-liquidationSnapshot.csv",
        "",
    )
    with (
        warnings.catch_warnings(action="ignore"),
        zipfile.ZipFile(file, "w", mutator.random.choice((0, 8, 12, 14))) as archive,
    ):
        for data in inner:
            archive.writestr(zipfile.ZipInfo(mutator.random.choice(names)), data)
    if mutator.random.random() < 0.1:
        nested = io.BytesIO()
        with zipfile.ZipFile(nested, "w") as archive:
            archive.writestr("inner.zip", file.getvalue())
        file = nested
    return _changed(mutator, file.getvalue(), 0.6)


def _parquet(mutator: Mutator) -> bytes:
    rows, file = _own_rows(), io.BytesIO()
    columns = {name: [row[name] for row in rows] for name in COLUMNS}
    for _ in range(mutator.random.randint(0, 2)):
        name = mutator.random.choice(list(columns))
        columns[name] = mutator.random.choice(
            (
                [None] * 3,
                ["x", "=1", "\n"],
                [1.5, float("nan"), float("inf")],
                [[1], [2], [3]],
                [{"a": 1}] * 3,
                [True] * 3,
                [b"\xff"] * 3,
            )
        )
    pq.write_table(pa.table(columns), file)
    return _changed(mutator, file.getvalue(), 0.3)


def _changed(mutator: Mutator, data: bytes, share: float) -> bytes:
    return mutator.raw(data) if mutator.random.random() < share else data


class Importing:
    """Imports of files into one database."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._writer: SqliteImportWriter | None = None

    def open(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._writer = SqliteImportWriter(Path(self._folder.name) / "fuzz.sqlite3")

    def run(self, data: bytes) -> None:
        assert self._folder is not None
        assert self._writer is not None
        path = Path(self._folder.name) / "BTCUSDT.csv"
        path.write_bytes(data)
        options = OPTIONS[len(data) % len(OPTIONS)]
        refused = 0
        with contextlib.closing(import_sources(path, options)) as sources:
            for source in sources:
                self._check_line(source.name)
                if isinstance(source, ImportSource):
                    refused += self._read(source)
        # Some are stored, too: that takes some milliseconds.
        if len(data) % 23 == 0:
            for report in import_file(path, self._writer, options):
                self._check_report(report)
        if refused:
            raise RecordFileError("rows were refused")

    def _read(self, source: ImportSource) -> int:
        refused = 0
        try:
            for _, outcome in source.rows:
                if isinstance(outcome, RowError):
                    refused += 1
                    self._check_line(str(outcome))
                elif isinstance(outcome, LiquidationEvent):
                    check_event(outcome)
        except RecordFileError:
            refused += 1
        for note in source.notes():
            self._check_line(note)
        return refused

    def _check_report(self, report: FileReport) -> None:
        for text in (report.name, report.problem, report.hint.advice, *report.hint.rows, *report.notes):
            self._check_line(text)
        for reason in report.refused:
            self._check_line(reason.message)

    @staticmethod
    def _check_line(text: str) -> None:
        """Assert that a text is one line of a report."""
        assert len(text) <= 2000, len(text)
        assert not set(_CONTROL).intersection(text), repr(text)
        text.encode()

    def close(self) -> None:
        if self._writer is not None and self._folder is not None:
            self._writer.close()
            self._folder.cleanup()
        self._writer = self._folder = None


IMPORTING: Final = Importing()
_MAKERS: Final[dict[str, tuple[float, Callable[[Mutator], bytes]]]] = {
    "tables": (0.05, _table), "json": (0.05, _json), "archives": (0.02, _archive), "npz": (0.01, _npz),
    "parquet": (0.005, _parquet),
}  # fmt: skip
TARGETS: Final = tuple(
    Target(f"import {name}", share, (RecordFileError,), make, IMPORTING.run) for name, (share, make) in _MAKERS.items()
)
