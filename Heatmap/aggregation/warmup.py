"""Warm-up of the kernels in a process with a window: a child process compiles, then a thread here loads the cache.

The child has a low priority, loading takes a few ms of the GIL, and the NumPy engine is used meanwhile. The child runs
``python -m Heatmap.aggregation.warmup``, which fills the cache and prints one line of JSON,
``{"compiled": kernels not found sound in the cache, "damaged": files replaced, "seconds": …}`` or ``{"problem": …}``.
"""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401 - Numba's, on this thread: while Python ends it can no longer be loaded
import json
import logging
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Final

from Heatmap.aggregation.engine_choice import jit_disabled, load_kernels
from Heatmap.aggregation.kernel_cache import VARIABLE, cache_folder
from Heatmap.child_process import is_frozen, module_command, module_environment
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.errors import KernelCacheError

if TYPE_CHECKING:
    from collections.abc import Callable

_logger = logging.getLogger(__name__)

# On a busy machine a process of low priority takes many times its half minute.
_CHILD_TIMEOUT_S: Final = 900.0
_JOIN_TIMEOUT_S: Final = 10.0
_NICENESS: Final = 10
_KEEP_OLD_S: Final = 86_400


class KernelWarmup:
    """Loads the kernels into this process in the background. Both functions are called from its thread.

    Parameters
    ----------
    on_ready
        Called once, when the kernels are loaded: time for `ImageBuilder.use_numba`.
    on_report
        Called with a sentence about the result.
    """

    def __init__(self, on_ready: Callable[[], None], on_report: Callable[[str], None]) -> None:
        self._on_ready = on_ready
        self._on_report = on_report
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._child: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._guarded_run, name="heatmap-kernel-warmup", daemon=True)

    def start(self) -> None:
        """Start the thread. May be called once."""
        self._thread.start()

    def stop(self, timeout_s: float = _JOIN_TIMEOUT_S) -> None:
        """End the child process and wait for the thread. May be called at any time and repeatedly."""
        with self._lock:
            self._stopped.set()
            if self._child is not None:
                self._child.kill()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)

    def _guarded_run(self) -> None:
        try:
            self._run()
        except Exception:  # the thread must report every failure: NumPy stays in use
            if threading.main_thread().is_alive():  # while Python ends, nothing can be imported any more
                _logger.exception("kernel warm-up failed")
            self._report("fast kernels could not be loaded; the map is painted by NumPy (details in the log)")

    def _run(self) -> None:
        if jit_disabled():
            self._report("NUMBA_DISABLE_JIT is set; the map is painted by NumPy")
            return
        # The executable of a frozen program is the program itself, not Python. It ships a filled cache.
        has_python = bool(sys.executable) and not is_frozen()
        if has_python and (not self._compile_in_child() or self._stopped.is_set()):
            return
        try:
            load_kernels(may_compile=False)
        except KernelCacheError as error:
            _logger.warning("kernels could not be loaded from the cache: %s", error)
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
    quiet = 0
    if sys.platform == "win32":  # elsewhere the child lowers its priority itself
        quiet = subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
    return subprocess.Popen(  # noqa: S603 - this interpreter, a module of this package
        module_command("Heatmap.aggregation.warmup"),
        env={**module_environment(), VARIABLE: str(cache_folder())},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        creationflags=quiet,
    )


def main() -> None:
    """Compile the kernels that are missing in the cache; print the result as JSON."""
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
        # Not those of another version that is in use, too.
        CACHE.delete_old_versions(SYSTEM_CLOCK.now_ms() / 1000.0 - _KEEP_OLD_S)
    seconds = SYSTEM_CLOCK.monotonic_s() - started_s
    result = {"compiled": compiled, "damaged": CACHE.damaged, "seconds": round(seconds, 3)}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
