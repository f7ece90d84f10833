"""The page for the one who runs a server: its scripts work as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from support.record import T, event

from Heatmap.commands.doctor import database_finding
from Heatmap.errors import StorageError, UnusableDatabaseError
from Heatmap.events import Coverage
from Heatmap.storage.database import database_of
from Heatmap.storage.postgres.connection import CHANNEL, connect
from Heatmap.storage.record_reader import Selection

PAGE = Path(__file__).resolve().parents[2] / "Heatmap" / "docs" / "server.md"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture
def made(cluster, tmp_path):
    """The database and the roles of the page's script; return the addresses of the recorder and the reader."""
    (script,) = blocks("sql")
    (tmp_path / "heatmap.sql").write_text(script)
    cluster.run("psql", "-v", "ON_ERROR_STOP=1", "-f", tmp_path / "heatmap.sql", cluster.url("postgres"))
    yield cluster.url("heatmap", "heatmap_recorder"), cluster.url("heatmap", "heatmap_reader")
    for name in ("heatmap", "heatmap_restored"):
        cluster.drop(name)
    for role in ("heatmap_recorder", "heatmap_reader"):
        cluster.execute(f"DROP ROLE {role}")


def test_the_reader_may_read_all_and_write_nothing(made, cluster):
    recorder, reader = map(database_of, made)
    assert "its user has no right to make the tables" in database_finding(reader).detail
    assert database_finding(recorder).detail.endswith("no tables yet, the first recorder makes them")
    recorder.insert([event(0), event(1)], [Coverage("binance", "BTCUSDT", T, T + 1)])
    assert ", writing, " in database_finding(recorder).detail
    assert ", reading only, " in database_finding(reader).detail
    assert reader.summary().series == recorder.summary().series
    assert reader.record_summary(T) == recorder.record_summary(T)
    with reader.reader() as opened:
        assert len(opened.table(Selection())) == len(opened.window("BTCUSDT", "binance", T, T + 2)) == 2
        assert opened.coverage("BTCUSDT", "binance", T, T + 1) == [Coverage("binance", "BTCUSDT", T, T + 1)]
    with closing(connect(reader.address)) as connection:
        connection.raw.execute(f"LISTEN {CHANNEL}")
        recorder.insert([event(2)])
        assert {notice.channel for notice in connection.raw.notifies(timeout=30, stop_after=1)} == {CHANNEL}
        tables = [row[0] for row in connection.raw.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'heatmap'::regnamespace AND relkind = 'r'"
        )]  # fmt: skip
        assert len(tables) == 8
        for table in tables:
            for attempt in (f"TRUNCATE heatmap.{table}", f"INSERT INTO heatmap.{table} DEFAULT VALUES"):
                with pytest.raises(Exception, match="permission denied"):
                    connection.raw.execute(attempt)
        for attempt in ("CREATE TABLE heatmap.mine (x int)", "CREATE TABLE public.mine (x int)", "CREATE SCHEMA mine"):
            with pytest.raises(Exception, match="permission denied"):
                connection.raw.execute(attempt)
    with pytest.raises(StorageError) as caught:
        reader.insert([event(9)])
    assert "has no right to do that" in caught.value.short
    cluster.execute("CREATE ROLE heatmap_stranger LOGIN")
    with pytest.raises(StorageError):
        database_of(made[1].replace("heatmap_reader", "heatmap_stranger")).summary()
    cluster.execute("DROP ROLE heatmap_stranger")


def test_the_database_takes_every_symbol_whatever_the_server_makes_by_default(made, cluster, monkeypatch):
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    names = [line for line in blocks("sql")[0].splitlines() if line.startswith("CREATE DATABASE")]
    assert all("ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0" in line for line in names)
    recorder = database_of(made[0])
    recorder.insert([event(0, symbol="币安人生USDT")])
    with recorder.reader() as reader:
        assert reader.series() == [("binance", "币安人生USDT")]
    # What `CREATE DATABASE` makes on a server that was set up without a locale.
    cluster.execute("CREATE DATABASE heatmap_restored ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    ascii_only = database_of(cluster.url("heatmap_restored"))
    for attempt in (ascii_only.check, ascii_only.summary, lambda: ascii_only.insert([event(0)])):
        with pytest.raises(UnusableDatabaseError, match="expected the encoding UTF8, was SQL_ASCII") as caught:
            attempt()
        assert "has the encoding SQL_ASCII; make it anew with UTF8" in caught.value.short


def test_a_backup_is_restored_as_another_record(made, cluster, tmp_path):
    recorder = database_of(made[0])
    recorder.insert([event(number, raw_json="{}") for number in range(20)], [Coverage("binance", "BTCUSDT", T, T + 9)])
    scripts = [script for script in blocks("sh") if "pg_dump" in script or "pg_restore" in script]
    assert len(scripts) == 2
    environment = {**os.environ, "PGHOST": "127.0.0.1", "PGPORT": str(cluster.port), "PGUSER": "admin"}
    environment["PATH"] = f"{cluster.programs}:{environment['PATH']}"
    for script in scripts:
        subprocess.run(["bash", "-e", "-c", script], env=environment, cwd=tmp_path, check=True, timeout=60)
    restored, seen = (database_of(f"{address}_restored") for address in made)

    def everything(database):
        query = "SELECT liq_events, coverage FROM liq_events, coverage ORDER BY liq_events.id"
        with database.reader() as reader:
            return [list(reader.query(query)), list(reader.query("SELECT version FROM record"))]

    assert everything(restored) == everything(recorder)
    ids = {str(cluster.execute("SELECT id FROM heatmap.record", name)) for name in ("heatmap", "heatmap_restored")}
    assert len(ids) == 2
    assert seen.summary().series == recorder.summary().series
    assert ", reading only, " in database_finding(seen).detail
    # It goes on where it was: with new ids, and without what it has.
    assert restored.insert([event(0), event(20)]) == (1, 1)


def test_the_server_is_reached_by_its_socket_and_a_service_file(server_url, cluster, tmp_path, monkeypatch):
    name = server_url.rpartition("/")[2]
    database = database_of(f"postgresql:///{name}?host={cluster.folder}&port={cluster.port}&user=admin")
    database.insert([event(0)])
    assert str(database).startswith("postgresql://admin@%2F")
    services = tmp_path / "services"
    services.write_text(f"[heatmap]\nhost={cluster.folder}\nport={cluster.port}\ndbname={name}\nuser=admin\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    served = database_of("postgresql:///?service=heatmap")
    assert served.summary().series == database.summary().series
    assert str(served) == "postgresql:///?service=heatmap"
