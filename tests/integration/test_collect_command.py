"""``heatmap collect`` and ``heatmap status`` as people run them: in processes of their own."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from support.frames import encode
from support.record import store_summary
from websockets.asyncio.server import serve

from Heatmap.cli import main
from Heatmap.commands import collect, status
from Heatmap.events import Coverage, LiquidationEvent, Side
from Heatmap.heatmap_service import HeatmapService
from Heatmap.reports import CollectorReport, ConnectionState, ServiceStatus
from Heatmap.storage import sql
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.storage.sqlite.connection import open_writer
from Heatmap.storage.sqlite.migrations import LATEST, open_database
from Heatmap.storage.sqlite.recorder_lock import RecorderLock

ROOT = Path(__file__).parents[2]
T = 1_790_000_000_000
PATIENCE_S = 30.0
# What the process has loaded and how large it grew, told after the command has ended.
PROGRAM = """
import sys
from Heatmap.cli import main
code = main(["collect", *sys.argv[1:]])
heavy = [name for name in ("PyQt6", "numba", "numpy", "moderngl", "qasync", "psycopg") if name in sys.modules]
with open("/proc/self/status") as lines:
    peak_kb = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
print(heavy, peak_kb, flush=True)
sys.exit(code)
"""


def event(offset_ms):
    return LiquidationEvent(T + offset_ms, "BTCUSDT", Side.BUY, 85_000.5, 0.25, 85_000.5 * 0.25)


@asynccontextmanager
async def exchange(count):
    async def play(ws):
        await ws.send(json.dumps({"e": "markPriceUpdate", "E": T, "s": "BTCUSDT", "p": "85000.1"}))
        for offset_ms in [*range(count), 0]:
            await ws.send(encode(event(offset_ms)))
        await ws.wait_closed()

    def answer(connection, request):
        return None if request.path.startswith("/market/") else connection.respond(500, "no")

    async with serve(play, "127.0.0.1", 0, process_request=answer, compression=None) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def started(path, place, *more):
    return await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", PROGRAM, "--db", str(path), "--symbol", "btcusdt",
        "--ws-url", f"ws://{place}", "--rest-url", f"http://{place}", *more,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


def stored(path):
    return sum(series.rows for series in store_summary(path).series)


async def until_stored(path, count):
    """Wait for rows that another process writes; the file itself is the only sign."""
    async with asyncio.timeout(PATIENCE_S):
        while stored(path) < count:  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send these signals to a child")
@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_ends_it_cleanly_with_everything_stored(tmp_path, number):
    path = tmp_path / "new" / "record.sqlite3"

    async def scenario():
        async with exchange(300) as place:
            process = await started(path, place)
            await until_stored(path, 1)
            process.send_signal(getattr(signal, number))
            async with asyncio.timeout(PATIENCE_S):
                output, log = await process.communicate()
            return process.returncode, output.decode(), log.decode()

    code, output, log = asyncio.run(scenario())
    assert code == 0, log
    assert stored(path) == 300
    heavy, _, peak_kb = output.rpartition(" ")
    assert heavy == "[]"
    assert int(peak_kb) < 60 * 1024
    assert "300 stored, 1 known already" in log
    assert "Traceback" not in log


def test_it_ends_by_itself_after_the_duration(database):
    async def scenario():
        async with exchange(5) as place:
            process = await started(database, place, "--duration", "1", "--keep-raw")
            async with asyncio.timeout(PATIENCE_S):
                return process, *(await process.communicate())

    process, output, log = asyncio.run(scenario())
    assert process.returncode == 0, log.decode()
    assert stored(database) == 5
    heavy, _, peak_kb = output.decode().rpartition(" ")
    assert heavy == ("[]" if database.local_path.exists() else "['psycopg']")
    assert int(peak_kb) < 80 * 1024


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--symbol", "BTC/USDT"], "“BTC/USDT” is not a symbol."),
        (["--ws-url", "https://x"], "ws or wss://"),
        (["--retention-days", "-1"], "Keep liquidations 0"),
        (["--retention-days", "nan"], "Keep liquidations 0"),
        (["--retention-days", "inf"], "Keep liquidations 0"),
    ],
)
def test_arguments_that_cannot_be_are_refused_in_a_sentence(tmp_path, capsys, arguments, words):
    assert main(["collect", "--db", str(tmp_path / "x"), *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon"])
def test_a_duration_is_a_number_of_seconds(text, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["collect", "--duration", text])
    assert caught.value.code == 2
    assert "seconds above 0" in capsys.readouterr().err


def arguments(path, place, **changes):
    parser = argparse.ArgumentParser()
    collect.add_arguments(parser)
    return parser.parse_args(
        ["--db", str(path), "--ws-url", f"ws://{place}", "--rest-url", f"http://{place}"], **changes
    )


def test_what_cannot_be_stored_is_an_exit_code(tmp_path, capsys):
    path = tmp_path / "record.sqlite3"
    open_database(path).close()

    async def scenario():
        async with exchange(1) as place:
            options = argparse.Namespace(duration=0.5)
            return await asyncio.to_thread(collect.run, arguments(path, place, namespace=options))

    with pytest.MonkeyPatch.context() as patch, closing(open_writer(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        patch.setattr("Heatmap.storage.sqlite.connection.BUSY_TIMEOUT_MS", 10)
        patch.setattr("Heatmap.end_signals.SIGNALS", ())  # a thread may not install handlers
        patch.setattr(HeatmapService.stop, "__defaults__", (0.5,))
        assert asyncio.run(scenario()) == 1
    assert "2 liquidations could not be stored. Another program is holding" in capsys.readouterr().err


def of_another_program(path):
    with closing(open_writer(path)) as connection:
        connection.execute("CREATE TABLE theirs (a)")


def of_a_newer_version(path):
    with closing(open_database(path)) as connection:
        connection.execute(f"PRAGMA user_version = {LATEST + 1}")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Path.mkdir, "is a folder, not a database."),
        (lambda path: path.write_text("dear all, " * 1000), "is not a database."),
        (lambda path: path.parent.joinpath("file").write_text(""), "there is no folder for"),
        (of_another_program, "belongs to another program."),
        (of_a_newer_version, "was written by a newer version of this program; please update."),
    ],
)
def test_a_place_where_no_record_can_ever_be_ends_it_at_once(tmp_path, capsys, make, words):
    path = tmp_path / "place"
    make(path)
    if not path.exists():
        path = tmp_path / "file" / "place"
    assert main(["collect", "--db", str(path), "--ws-url", "ws://127.0.0.1:9", "--rest-url", "http://127.0.0.1:9"]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert told[0].endswith(words) or words in told[0]


@pytest.mark.skipif(sys.platform == "win32", reason="the lease is the same, the signal is not")
def test_a_second_one_waits_and_takes_over(tmp_path):
    path = tmp_path / "record.sqlite3"

    async def said(process, words):
        log = ""
        async with asyncio.timeout(PATIENCE_S):
            while words not in log:
                line = (await process.stderr.readline()).decode()
                assert line, log
                log += line

    async def scenario():
        async with exchange(5) as place:
            first = await started(path, place)
            await until_stored(path, 5)
            second = await started(path, place)
            await said(
                second, f"only reads: Another program records BTCUSDT into this database: process {first.pid} on"
            )
            first.send_signal(signal.SIGTERM)
            await asyncio.wait_for(first.communicate(), PATIENCE_S)
            await said(second, "feed: live")
            second.send_signal(signal.SIGHUP)
            _, log = await asyncio.wait_for(second.communicate(), PATIENCE_S)
            return first.returncode, second.returncode, log.decode()

    first, second, log = asyncio.run(scenario())
    assert (first, second) == (0, 0), log
    assert stored(path) == 5


class Now:
    def now_ms(self):
        return T + 20_000

    def monotonic_s(self):
        return 0.0


def told(path, capsys, *, as_json, lang="en"):
    code = status.run(argparse.Namespace(db=path, json=as_json, lang=lang), clock=Now())
    return code, capsys.readouterr()


def test_status_tells_of_rows_and_of_who_records(tmp_path, capsys):
    path = tmp_path / "record.sqlite3"
    bulk_insert(path, [event(0), event(1000)], coverage=[Coverage("binance", "BTCUSDT", T, T + 18_000)])
    bulk_insert(path, [], coverage=[Coverage("binance", "ETHUSDT", T, T + 1000)])
    code, output = told(path, capsys, as_json=False)
    assert code == 0
    lines = output.out.splitlines()
    assert lines[0].startswith(f"{path}: ")
    assert lines[1].startswith(
        "BTCUSDT (binance): 2 liquidations, 2026-09-21 14:13:20 UTC to 2026-09-21 14:13:21 UTC; recording now"
    )
    assert lines[2].startswith("ETHUSDT (binance): 0 liquidations; not recording, covered until ")
    code, output = told(path, capsys, as_json=True)
    answer = json.loads(output.out)
    assert (code, answer["recording"], answer["exists"], answer["schema_version"]) == (0, True, True, LATEST)
    assert answer["series"][0] == {
        "source": "binance", "symbol": "BTCUSDT", "rows": 2, "first_ms": T, "last_ms": T + 1000,
        "covered_until_ms": T + 18_000, "tick_size": None, "recording": True,
    }  # fmt: skip


def reporting(path, state, **status):
    """Let a collector write its report, as of `T`, and vanish without another word unless it stopped."""
    report = CollectorReport(
        "binance", ("BTCUSDT",), "run", "host", 4711, T - 60_000, ServiceStatus(state=state, since_ms=T, **status)
    )
    with closing(open_database(path)) as connection:
        connection.execute(sql.PUT_COLLECTOR, sql.collector_row(report, T + 10_000))


@pytest.mark.parametrize(
    ("lang", "headline", "sentence", "attempt"),
    [
        ("en", "Not connected: region blocked since", "Next attempt at", "behind the exchange's"),
        ("de", "Nicht verbunden: Region gesperrt seit", "Nächster Versuch um", "geht gegenüber der Börse 3 s nach"),
    ],
)
def test_status_tells_how_the_collector_is_doing_in_both_languages(tmp_path, capsys, lang, headline, sentence, attempt):
    path = tmp_path / "record.sqlite3"
    trouble = {"reason": "region", "detail": "x does not serve", "clock_offset_ms": 3000.0, "retry_at_ms": T}
    reporting(path, ConnectionState.DOWN, **trouble)
    _, output = told(path, capsys, as_json=False, lang=lang)
    assert f"binance: BTCUSDT, host, pid 4711: {headline} 2026-09-21 14:13:20 UTC\n" in output.out
    for words in (sentence, attempt, "x does not serve"):
        assert words in output.out
    _, output = told(path, capsys, as_json=True)
    (collector,) = json.loads(output.out)["collectors"]
    assert (collector["alive"], collector["state"], collector["reason"]) == (True, "down", "region")


def test_a_collector_that_stopped_or_vanished_is_not_recording(tmp_path, capsys):
    path = tmp_path / "record.sqlite3"
    bulk_insert(path, [event(0)], coverage=[Coverage("binance", "BTCUSDT", T, T + 18_000)])
    reporting(path, ConnectionState.STOPPED)
    _, output = told(path, capsys, as_json=False)
    assert "not recording" in output.out
    assert "ended in order at 2026-09-21 14:13:30 UTC" in output.out

    class Later(Now):
        def now_ms(self):
            return T + 10_000 + 15_001

    reporting(path, ConnectionState.LIVE)
    assert status.run(argparse.Namespace(db=path, json=False, lang="en"), clock=Later()) == 0
    assert "has not been heard of since 2026-09-21 14:13:30 UTC" in capsys.readouterr().out


def test_a_collector_whose_database_is_locked_is_not_called_killed(tmp_path, capsys):
    path = tmp_path / "record.sqlite3"
    with closing(open_database(path)) as connection:
        live = ServiceStatus(ConnectionState.LIVE)
        report = CollectorReport("binance", ("BTCUSDT",), "run", "host", os.getpid(), T, live)
        connection.execute(sql.PUT_COLLECTOR, sql.collector_row(report, T - 20_000))
    lock = RecorderLock(path, "binance")
    assert lock.acquire()
    _, output = told(path, capsys, as_json=False)
    assert "but its process runs: it may hang, another program may be holding the database" in output.out
    assert "killed" not in output.out
    _, output = told(path, capsys, as_json=True)
    assert json.loads(output.out)["collectors"][0]["process_runs"] is True
    lock.release()
    _, output = told(path, capsys, as_json=True)
    assert json.loads(output.out)["collectors"][0]["process_runs"] is False


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
def test_a_hangup_that_is_ignored_stays_so(tmp_path):
    async def scenario():
        async with exchange(300) as place:
            # As `nohup` starts it.
            before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
            try:
                process = await started(tmp_path / "record.sqlite3", place)
            finally:
                signal.signal(signal.SIGHUP, before)
            await until_stored(tmp_path / "record.sqlite3", 300)
            process.send_signal(signal.SIGHUP)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.0):
                    await process.wait()
            process.terminate()
            _, log = await process.communicate()
            return process.returncode, log.decode()

    code, log = asyncio.run(scenario())
    assert code == 0, log


def test_status_without_a_database_is_no_fault(tmp_path, capsys):
    code, output = told(tmp_path / "none", capsys, as_json=False)
    assert code == 0
    assert output.out == f"Nothing is recorded yet in {tmp_path / 'none'}.\n"


def test_status_of_something_else_is_a_sentence(tmp_path, capsys):
    (tmp_path / "x").write_text("x" * 5000)
    code, output = told(tmp_path / "x", capsys, as_json=False)
    assert (code, output.err) == (2, f"The file {tmp_path / 'x'} is not a database.\n")
    code, output = told(tmp_path / "x", capsys, as_json=True)
    assert json.loads(output.out)["problem"].endswith("is not a database.")
