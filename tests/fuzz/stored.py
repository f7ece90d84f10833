"""Settings files and databases that somebody else has written, or that a disk has damaged."""

from __future__ import annotations

import contextlib
import io
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PyQt6 import sip
from PyQt6.QtCore import QSettings

from fuzz.files import TABLES
from fuzz.frames import SEEDS
from fuzz.target import Target
from Heatmap.app.chart_settings import ChartSettings
from Heatmap.app.recorded_symbols import symbols_to_record
from Heatmap.cli import main
from Heatmap.errors import HeatmapError, QueryError, SettingsError, StorageError
from Heatmap.exit_code import ExitCode
from Heatmap.record import open_record
from Heatmap.ui.settings_file import is_plain
from Heatmap.ui.settings_model import SettingsModel
from Heatmap.ui.widgets.alert_model import AlertModel

if TYPE_CHECKING:
    from fuzz.mutation import Mutator

SETTINGS: Final = (SEEDS / "settings.ini").read_bytes()
_QT_VALUES: Final = (
    b"@Invalid()", b"@ByteArray(\\0\\xff)", b"@Rect(0 0 1 1)", b"@Size(1 1)", b"@Point(1 1)",
    b"@Variant(\\0\\0\\0\\x1)",
    b"@Variant(\\0\\0\\0\\x7f\\0\\0\\0\\xePyQt_PyObject\\0\\0\\0\\0\\x4N.xx)",
    b"@DateTime(\\0\\0\\0)", b"a, b, c", b"@@x", b"@",
    b"1e999", b"nan", b"-0", b"\\xd800", b"\\x0", b'"[[[[[[[["', b"TRUE", b"2", b"9" * 5000,
)  # fmt: skip


def _settings(mutator: Mutator) -> bytes:
    lines = SETTINGS.split(b"\n")
    for _ in range(mutator.random.randint(1, 3)):
        at = mutator.random.randrange(len(lines))
        key, mark, value = lines[at].partition(b"=")
        if not mark:
            continue
        word = mutator.random.choice(_QT_VALUES)
        if mutator.random.random() < 0.4:
            word = str(mutator.scalar()).encode("utf-8", "replace").replace(b"\n", b"\\n")
        lines[at] = key + mark + mutator.random.choice((word, b'"' + word + b'"', value + word))
    data = b"\n".join(lines)
    return mutator.raw(data) if mutator.random.random() < 0.3 else data


class Stored:
    """A folder for the files, and a database to start from."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._number = 0
        self._database = b""

    def open(self) -> None:
        self._folder = Path(tempfile.mkdtemp())

    @property
    def folder(self) -> Path:
        assert self._folder is not None
        return self._folder

    def read_settings(self, data: bytes) -> None:
        if not is_plain(data):  # such a file is moved aside before it is read
            raise SettingsError("the file is not plain")
        # Qt keeps the content of a file that it knows.
        self._number += 1
        path = self.folder / f"{self._number}.ini"
        path.write_bytes(data)
        store = QSettings(str(path), QSettings.Format.IniFormat)
        model = SettingsModel(store)
        for name in model.presets.names():
            with contextlib.suppress(SettingsError):
                model.presets.look(name)
        model.presets.current()
        model.remembered("size", default=False)
        ChartSettings(store)
        symbols_to_record(store, ("BTCUSDT",))
        alerts = AlertModel(store)
        sip.delete(model)
        sip.delete(alerts)
        path.unlink()

    @property
    def database(self) -> bytes:
        """A sound database with some events and claimed coverage, as one file."""
        if not self._database:
            table, path = self.folder / "seed.csv", self.folder / "seed.sqlite3"
            table.write_bytes(TABLES[2])
            with contextlib.redirect_stdout(io.StringIO()):
                main(["import", str(table), "--db", str(path), "--covered"])
            with contextlib.closing(sqlite3.connect(path)) as connection:  # noqa: TID251 - as any tool could
                connection.execute("PRAGMA journal_mode = DELETE")
            self._database = path.read_bytes()
        return self._database

    def damaged(self, mutator: Mutator) -> bytes:
        """Return a database with a damaged page, or with a schema and values that the program does not write."""
        if mutator.random.random() < 0.6:
            data = bytearray(self.database)
            for _ in range(mutator.random.choice((1, 1, 3, 20))):
                at = mutator.random.randrange(len(data) if mutator.random.random() < 0.7 else 200)
                match mutator.random.randrange(4):
                    case 0:
                        data[at] ^= 1 << mutator.random.randrange(8)
                    case 1:
                        end = min(at + mutator.random.choice((4, 100, 4096)), len(data))
                        data[at:end] = mutator.random.randbytes(end - at)
                    case 2:
                        end = min(at + 4096, len(data))
                        data[at:end] = bytes(end - at)
                    case _:
                        data[at : at + 2] = b"\xff\xff"
            return bytes(data[: mutator.random.randrange(len(data))] if mutator.random.random() < 0.1 else data)
        path = self.folder / "altered.sqlite3"
        path.write_bytes(self.database)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:  # noqa: TID251 - as any tool could
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute("PRAGMA ignore_check_constraints = ON")
            for _ in range(mutator.random.randint(1, 3)):
                with contextlib.suppress(sqlite3.Error, UnicodeError, OverflowError, ValueError):
                    self._alter(mutator, connection)
        return path.read_bytes()

    @staticmethod
    def _alter(mutator: Mutator, connection: sqlite3.Connection) -> None:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        table = mutator.random.choice([name for name in tables if not name.startswith("sqlite_")])
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        column = mutator.random.choice(columns)
        match mutator.random.randrange(9):
            case 0:
                connection.execute(f"DROP TABLE {table}")
            case 1:
                connection.execute(f"ALTER TABLE {table} RENAME COLUMN {column} TO other")
            case 2:
                connection.execute(f"ALTER TABLE {table} RENAME TO other")
            case 3:
                connection.execute(f"PRAGMA user_version = {mutator.random.choice((0, 1, 2, 99, -1, 2**31 - 1))}")
            case 4:
                connection.execute(f"PRAGMA application_id = {mutator.random.choice((0, 1, -1))}")
            case 5:
                connection.execute(f"CREATE VIEW IF NOT EXISTS v AS SELECT * FROM {table}")  # noqa: S608
            case 6:
                connection.execute("DROP INDEX IF EXISTS idx_liq_events_window")
            case _:
                # Without STRICT and its checks a column takes anything, at once.
                version = connection.execute("PRAGMA schema_version").fetchone()[0]
                connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'STRICT', '') WHERE name = ?", (table,))
                connection.execute(f"PRAGMA schema_version = {version + 1}")
                value = mutator.scalar()
                value = str(value) if isinstance(value, list | dict) else value
                connection.execute(f"UPDATE {table} SET {column} = ?", (value,))  # noqa: S608 - names of the schema

    def open_database(self, data: bytes) -> None:
        path = self.folder / "fuzz.sqlite3"
        for old in self.folder.glob("fuzz.sqlite3*"):
            old.unlink()
        path.write_bytes(data)
        refused: HeatmapError | None = None
        try:
            self._read(path)
        except (StorageError, QueryError) as error:
            refused = error
        kind = ("csv", "npz", "parquet", "png")[len(data) % 4]
        words = [
            ["status", "--db", str(path)],
            ["status", "--json", "--db", str(path)],
            ["export", "--format", kind, "--output", str(self.folder / "out"), "--db", str(path)],
            ["import", str(path), "--db", str(self.folder / "other.sqlite3")],
            ["import", str(self.folder / "seed.csv"), "--db", str(path)],
            ["export", "--format", "csv", "--output", str(self.folder / "out"), "--db", str(path)],
        ]
        for command in words:
            said = io.StringIO()
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                code = main(command)
            assert code in ExitCode, code
            if command[1] != "--json":
                assert all(line.isprintable() for line in said.getvalue().split("\n")), said.getvalue()
        if refused is not None:
            raise refused

    @staticmethod
    def _read(path: Path) -> None:
        with open_record(path) as record:
            for source, symbol in record.series():
                record.events(symbol, source=source)
                record.coverage(symbol, source=source)
                record.profile(symbol, source=source)
                list(record.replay(symbol, source=source, delay_ms=1000))

    def close(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None


STORED: Final = Stored()
TARGETS: Final = (
    Target("settings file", 0.03, (SettingsError,), _settings, STORED.read_settings),
    Target("database", 0.005, (StorageError, QueryError), STORED.damaged, STORED.open_database),
)
