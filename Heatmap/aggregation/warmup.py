"""Loading the kernels without ever compiling in a process that has a window.

A compiling thread holds the GIL for up to a tenth of a second at a time. So a child process compiles into the on-disk
cache, at low priority, while NumPy paints; then a thread of this process loads what is there, which takes a few ms of
the GIL; then the kernels take over.

Run as ``python -m Heatmap.aggregation.warmup`` this module is that child: it prints one line of JSON,
``{"compiled": kernels not found sound in the cache, "damaged": files replaced, "seconds": …}`` or ``{"problem": …}``.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Final

from Heatmap.aggregation.compile_guard import compiling_refused
from Heatmap.aggregation.engine_choice import jit_disabled, load_kernels
from Heatmap.aggregation.kernel_cache import VARIABLE, cache_folder
from Heatmap.child_process import module_command, module_environment
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.errors import KernelCacheError

if TYPE_CHECKING:
    from collections.abc import Callable

_logger = logging.getLogger(__name__)

# It is the least urgent of all processes: on a machine that is busy for long it takes many times its half minute.
_CHILD_TIMEOUT_S: Final = 900.0
_JOIN_TIMEOUT_S: Final = 10.0
_NICENESS: Final = 10
_KEEP_OLD_S: Final = 86_400


class KernelWarmup:
    """Brings the kernels into this process in the background.

    Parameters
    ----------
    on_ready
        Called once, from the warm-up's thread, when the kernels are loaded: time for `ImageBuilder.use_numba`.
    on_report
        Called from the warm-up's thread with a sentence about what happened, good or bad.
    """

    def __init__(self, on_ready: Callable[[], None], on_report: Callable[[str], None]) -> None:
        self._on_ready = on_ready
        self._on_report = on_report
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._child: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._guarded_run, name="heatmap-kernel-warmup", daemon=True)

    def start(self) -> None:
        """Start in the background; returns at once. May be called once."""
        self._thread.start()

    def stop(self) -> None:
        """End the child process and wait for the thread. Safe at any time, also before `start` and twice."""
        with self._lock:
            self._stopped.set()
            if self._child is not None:
                self._child.kill()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(_JOIN_TIMEOUT_S)

    def _guarded_run(self) -> None:
        try:
            self._run()
        except Exception:  # the thread's last line of defence: NumPy goes on painting
            _logger.exception("kernel warm-up failed")
            self._report("fast kernels could not be loaded; the map is painted by NumPy (details in the log)")

    def _run(self) -> None:
        if jit_disabled():
            self._report("NUMBA_DISABLE_JIT is set; the map is painted by NumPy")
            return
        # The executable of a frozen program is the host itself: starting it as a child would open a second window.
        # Such a program ships a filled cache.
        has_python = bool(sys.executable) and not getattr(sys, "frozen", False)
        if has_python and (not self._compile_in_child() or self._stopped.is_set()):
            return
        try:
            with compiling_refused():
                load_kernels()
        except KernelCacheError as error:
            _logger.warning("the cache of kernels does not serve this process: %s", error)
            why = "" if has_python else ", and this program has no Python interpreter to compile with"
            self._report(f"compiled kernels could not be loaded{why}; the map is painted by NumPy (details in the log)")
            return
        if not self._stopped.is_set():
            self._on_ready()

    def _compile_in_child(self) -> bool:
        with self._lock:
            if self._stopped.is_set():
                return False
            self._child = _start_child()
        try:
            output, problems = self._child.communicate(timeout=_CHILD_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            output, problems = self._child.communicate()
        if self._stopped.is_set():
            return False
        if self._child.returncode != 0:
            _logger.error("compiling the kernels failed with %s:\n%s", self._child.returncode, problems)
            self._report("compiling the fast kernels failed; the map is painted by NumPy (details in the log)")
            return False
        result = json.loads(output.splitlines()[-1])
        if "problem" in result:
            self._report(f"{result['problem']}; the map is painted by NumPy")
            return False
        replaced = f"{result['damaged']} of them in place of damaged files, " if result["damaged"] else ""
        compiled, seconds = result["compiled"], result["seconds"]
        self._report(f"kernels ready: {compiled} compiled, {replaced}{seconds:.1f} s in the background")
        return True

    def _report(self, text: str) -> None:
        _logger.info("%s", text)
        self._on_report(text)


def _start_child() -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - this interpreter, a module of this package
        module_command("Heatmap.aggregation.warmup"),
        env={**module_environment(), VARIABLE: str(cache_folder())},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        creationflags=_background_flags(),
    )


def _background_flags() -> int:
    """Return the flags that keep the child quiet on Windows: no console, low priority. Elsewhere it is nice itself."""
    if sys.platform == "win32":
        return subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
    return 0


def main() -> None:
    """Compile what is missing in the cache and say so on standard output."""
    if sys.platform != "win32":
        os.nice(_NICENESS)
    started_s = SYSTEM_CLOCK.monotonic_s()
    try:
        compiled = load_kernels()
    except KernelCacheError as error:
        sys.stdout.write(json.dumps({"problem": error.short}) + "\n")
        return
    from Heatmap.aggregation.kernel_jit import CACHE  # noqa: PLC0415 - loads Numba

    if compiled:
        # Another version may be at work beside this one: what it has just compiled is left alone.
        CACHE.delete_old_versions(SYSTEM_CLOCK.now_ms() / 1000.0 - _KEEP_OLD_S)
    seconds = SYSTEM_CLOCK.monotonic_s() - started_s
    result = {"compiled": compiled, "damaged": CACHE.damaged, "seconds": round(seconds, 3)}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
