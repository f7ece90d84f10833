"""Scenarios of the window: a blocked GUI thread, page reloads, attach and detach, a program opened and closed."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import psutil
from PyQt6.QtCore import QCoreApplication, QEvent, QTimer
from PyQt6.QtGui import QOffscreenSurface, QOpenGLContext
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication
from stress.harness import ROOT, NumberedMarket, Outcome, Watch, compare
from support.clock import FastClock

from Heatmap.app.web_engine import prepare_web_engine
from Heatmap.heatmap_service import HeatmapService
from Heatmap.ui.gl.graphics import configure_graphics

BEAT_MS = 5
GL_NAMES = 4096


class Bot:
    """Waiting in Qt's loop, by the names of pytest-qt; measures the longest time in which the loop did not run."""

    TimeoutError = AssertionError

    def __init__(self):
        self.stall_ms, self._last_s = 0.0, time.monotonic()
        self._timer = QTimer()
        self._timer.timeout.connect(self._beat)
        self._timer.start(BEAT_MS)

    def waitUntil(self, condition, timeout=60_000):  # noqa: N802 - as in pytest-qt
        deadline_s = time.monotonic() + timeout / 1000
        while True:
            begun_s = time.monotonic()
            if condition():
                return
            # Looking is our own work, not the program's.
            self._last_s += time.monotonic() - begun_s
            assert time.monotonic() < deadline_s, "the condition did not come true in time"
            QTest.qWait(10)

    @contextmanager
    def waitSignal(self, signal, timeout=60_000):  # noqa: N802 - as in pytest-qt
        seen = SimpleNamespace(args=None)
        handle = signal.connect(lambda *args: setattr(seen, "args", list(args)))
        yield seen
        self.waitUntil(lambda: seen.args is not None, timeout)
        signal.disconnect(handle)

    def stop(self):
        self._timer.stop()

    def restart(self):
        self.stall_ms, self._last_s = 0.0, time.monotonic()

    def _beat(self):
        now_s = time.monotonic()
        self.stall_ms = max(self.stall_ms, (now_s - self._last_s) * 1000 - BEAT_MS)
        self._last_s = now_s


class GlObjects:
    """Counts the textures, buffers and programs of all contexts that share theirs."""

    def __init__(self):
        self._surface, self._context = QOffscreenSurface(), QOpenGLContext()
        self._context.setShareContext(QOpenGLContext.globalShareContext())
        assert self._context.create()
        self._surface.create()

    def count(self):
        assert self._context.makeCurrent(self._surface)
        found = 0
        for name in (b"glIsTexture", b"glIsBuffer", b"glIsProgram"):
            call = ctypes.CFUNCTYPE(ctypes.c_ubyte, ctypes.c_uint)(int(self._context.getProcAddress(name)))
            found += sum(bool(call(number)) for number in range(1, GL_NAMES))
        self._context.doneCurrent()
        return found


class GuiWatch(Watch):
    """Counts the threads of Python only: those of Chromium come and go."""

    def counts(self):
        return threading.active_count(), self.process.num_fds()


def _host_parts():
    place = ROOT / "tests" / "gui" / "host" / "conftest.py"
    spec = importlib.util.spec_from_file_location("stress_host", place)
    module = sys.modules["stress_host"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def _hosting(folder):
    """A foreign host in this process, its page loaded; yields ``(host, bot, its module)``."""
    os.environ["NUMBA_DISABLE_JIT"] = "1"
    prepare_web_engine()
    configure_graphics()
    parts = _host_parts()
    application = QApplication(sys.argv[:1])
    bot = Bot()
    host = parts.Host(bot, folder)
    try:
        host.load()
        # What the first one loads and opens for good is there before it is measured.
        host.attach()
        host.wait_for_heat()
        _detach(host)
        host.wait_for_no_heat()
        yield host, bot, parts
    finally:
        host.close()
        bot.stop()
        application.processEvents()


@contextmanager
def _recording(host, parts, db, per_s):
    """Let the host show what a service of its own records.

    Yields the market, whose events lie in the chart, and the clock to attach with.
    """
    clock = FastClock(parts.EVENT_MS, 1)
    market = NumberedMarket(per_s, begin_ms=parts.EVENT_MS, price=parts.EVENT_PRICE)
    with market:
        host.service.stop()
        host.service = service = HeatmapService(db, market.symbols, retention_days=0, clock=clock, **market.addresses)
        service.start()
        try:
            host.wait(lambda: service.status().stored > per_s)
            yield market, clock
        finally:
            service.stop()


def _detach(host):
    host.plugin.detach()
    host.plugins.clear()
    host.plugin = None
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def attach_detach(db, folder, *, is_long):  # noqa: ARG001 - the signature of all scenarios
    """The plugin comes to a page and goes, in one host; each time heat must be shown and be gone again."""
    times, outcome, shown = 200 if is_long else 6, Outcome(bound_mb=25.0), 0
    with _hosting(folder) as (host, bot, _), GuiWatch(outcome) as watch:
        objects = GlObjects()

        def once():
            host.attach()
            host.wait_for_heat()
            _detach(host)
            host.wait_for_no_heat()

        for _ in range(20 if is_long else 3):
            once()
        watch.warm()
        watch.before, objects_before = watch.counts(), objects.count()
        bot.restart()
        for _ in range(times):
            once()
            shown += 1
        host.wait(lambda: objects.count() <= objects_before)
        outcome.stall_ms = bot.stall_ms
    outcome.sent = outcome.stored = times
    outcome.lost = times - shown
    outcome.note = f"{objects_before} OpenGL objects before and after"
    return outcome


def page_reloaded(db, folder, *, is_long):
    """The page is loaded again with the heat on, while the same process records."""
    times, outcome = 60 if is_long else 2, Outcome(bound_mb=40.0)
    with _hosting(folder) as (host, bot, parts), GuiWatch(outcome) as watch:
        with _recording(host, parts, db, 50) as (market, clock):
            host.attach(clock=clock)
            host.wait_for_heat()
            watch.warm()
            bot.restart()
            for number in range(times):
                ends_s = time.monotonic() + (10.0 if is_long else 0.0)
                with bot.waitSignal(host.view.loadFinished):
                    host.view.reload()
                host.wait_for_heat()
                if number == 0:
                    watch.warm()  # a page that was left is kept until the next comes
                bot.waitUntil(lambda ends_s=ends_s: time.monotonic() >= ends_s)
            outcome.stall_ms = bot.stall_ms
            market.is_paused = True
            host.wait(lambda: host.service.status().stored >= market.arrived_count)
            watch.settled()
            _detach(host)
        outcome.note = f"reloaded {times} times"
    return compare(outcome, db, market.sent, market.arrived)


def gui_blocked(db, folder, *, is_long):
    """The GUI thread does nothing for a while; the recorder beside it goes on, and then the picture catches up."""
    blocked_s, outcome, images = 30.0 if is_long else 3.0, Outcome(bound_mb=40.0), []
    with _hosting(folder) as (host, _, parts), GuiWatch(outcome) as watch:  # noqa: SIM117 - what is watched begins and ends there
        with _recording(host, parts, db, 500) as (market, clock):
            host.attach(clock=clock)
            host.wait_for_heat()
            watch.warm()
            arrived, stored = market.arrived_count, host.service.status().stored
            begun_s = time.monotonic()
            time.sleep(blocked_s)
            outcome.stall_ms = (time.monotonic() - begun_s) * 1000
            during = market.arrived_count - arrived
            if host.service.status().stored - stored < 0.8 * during or during < 0.5 * market.per_s * blocked_s:
                outcome.faults.append("the recorder did not go on while the GUI thread was blocked")
            host.plugin.imageChanged.connect(lambda _: images.append(time.monotonic()))
            begun_s = time.monotonic()
            host.wait(lambda: images and host.presenter.is_current)
            outcome.note = f"new picture {(images[-1] - begun_s) * 1000:.0f} ms after the block"
            market.is_paused = True
            host.wait(lambda: host.service.status().stored >= market.arrived_count)
            watch.settled()
            _detach(host)
    return compare(outcome, db, market.sent, market.arrived)


def opened_closed(db, folder, *, is_long):
    """The program is opened and closed, each time as a process of its own; no process and no file may be left."""
    times, outcome = 100 if is_long else 2, Outcome(bound_mb=60.0)
    temporary = folder / "temporary"
    temporary.mkdir()
    environment = os.environ | {"TMPDIR": str(temporary)}
    sizes, before = [], set(psutil.Process().children(recursive=True))
    with Watch(outcome):
        for number in range(times):
            picture = folder / f"{number}.png"
            command = [sys.executable, "-P", "-m", "Heatmap", "--demo", "--db", str(db), "--screenshot", str(picture),
                       "--after", "3"]  # fmt: skip
            with subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as program:
                process, largest = psutil.Process(program.pid), 0
                while program.poll() is None:
                    try:
                        largest = max(largest, process.memory_info().rss)
                        program.wait(0.2)
                    except (psutil.Error, subprocess.TimeoutExpired):
                        continue
            sizes.append(largest / 1e6)
            left = set(psutil.Process().children(recursive=True)) - before
            if program.returncode or not picture.exists():
                outcome.lost += 1
                outcome.faults.append(f"start {number} ended with {program.returncode}")
            if left:
                outcome.faults.append(f"processes left: {[one.name() for one in left]}")
            picture.unlink(missing_ok=True)
            if files := [path.name for path in temporary.rglob("*") if not path.is_dir()]:
                outcome.faults.append(f"files left: {files[:5]}")
                break
    outcome.sent, outcome.stored = times, times - outcome.lost
    outcome.start_mb, outcome.peak_mb, outcome.final_mb = sizes[0], max(sizes), sizes[-1]
    outcome.note = f"opened {times} times"
    return outcome
