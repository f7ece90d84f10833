"""Who may read the files: whoever the user's umask lets, and never more than could before."""

from __future__ import annotations

import os
import sys
from contextlib import closing

import pytest
from support.record import create_version_1, event

from Heatmap.cli import main
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.exit_code import ExitCode
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.storage.sqlite.migrations import open_database
from Heatmap.storage.sqlite.recovery import recover_damaged
from Heatmap.storage.writer import EventWriter

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")


def modes(folder) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


@pytest.mark.parametrize(("umask", "expected"), [(0o077, 0o600), (0o022, 0o644), (0o027, 0o640)])
def test_new_files_are_as_the_user_asks(tmp_path, umask, expected):
    before = os.umask(umask)
    try:
        path = tmp_path / "x.sqlite3"
        writer = EventWriter(path, clock=SYSTEM_CLOCK, series=[("binance", "BTCUSDT")])
        writer.start()
        writer.stop()
        with closing(open_database(path)) as connection:
            connection.execute("SELECT count(*) FROM liq_events").fetchone()
            found = modes(tmp_path)
        assert {"x.sqlite3", "x.sqlite3-wal", "x.sqlite3-shm"} <= set(found)
        assert set(found.values()) == {expected}, found
        bulk_insert(path, [event(0)])
        for kind in ("csv", "npz", "parquet", "png"):
            output = tmp_path / f"out.{kind}"
            assert main(["export", "--format", kind, "--output", str(output), "--db", str(path)]) == ExitCode.OK
            assert output.stat().st_mode & 0o777 == expected
    finally:
        os.umask(before)


def test_copies_and_rescued_files_stay_private(tmp_path):
    old = tmp_path / "old.sqlite3"
    create_version_1(old)
    old.chmod(0o600)
    open_database(old).close()  # upgrades it, and keeps a copy
    damaged = tmp_path / "damaged.sqlite3"
    bulk_insert(damaged, [event(number) for number in range(2000)])
    damaged.chmod(0o600)
    with damaged.open("r+b") as file:
        file.seek(20 * 4096)
        file.write(b"\xa5" * 4096)
    recover_damaged(damaged, SYSTEM_CLOCK)
    found = modes(tmp_path)
    assert len(found) >= 4
    assert set(found.values()) == {0o600}, found
