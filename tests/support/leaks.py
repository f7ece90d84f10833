"""Census of what a process holds: threads, tasks, timers, widgets, descriptors, children, OpenGL objects, files.

`present` is compared before and after a test; what is new after it was left behind. What a process makes once and keeps
on purpose is named below, each with its reason.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import socket
import stat
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from weakref import WeakSet

import moderngl
from PyQt6 import sip
from PyQt6.QtCore import QCoreApplication, QEvent, QTimer
from PyQt6.QtWidgets import QApplication

# Scaled on slow machines; only a test that fails waits so long.
GRACE_S = 2.0 * float(os.environ.get("HEATMAP_PATIENCE", "1"))
_POLL_S = 0.01

# Beginnings of the names of threads that are not counted.
_KEPT_THREADS = (
    "heatmap-kernel",  # the pool of the kernels serves every map of the process
)
# Names of child processes that are not counted.
_KEPT_CHILDREN = (
    "QtWebEngineProc",  # the web engine keeps its helpers for the next page
)
_CHROMIUM = "/.org.chromium."  # shared memory of the web engine
_GL_FACTORIES = (
    "buffer", "compute_shader", "depth_renderbuffer", "depth_texture", "framebuffer", "program", "query",
    "renderbuffer", "sampler", "texture", "texture3d", "texture_array", "texture_cube", "vertex_array",
)  # fmt: skip

_loops: list[asyncio.AbstractEventLoop] = []
_timers: WeakSet[QTimer] = WeakSet()
_gl_objects: list[object] = []


def watch() -> None:
    """Note each event loop, Qt timer and OpenGL object from now on: nothing else lists them."""
    _note_after(asyncio.BaseEventLoop, "__init__", lambda made, _result: _loops.append(made))
    _note_after(QTimer, "__init__", lambda made, _result: _timers.add(made))
    for name in _GL_FACTORIES:
        _note_after(moderngl.Context, name, lambda _context, made: _gl_objects.append(made))


def _note_after(owner, name, note) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def noted(self, *arguments, **options):
        result = original(self, *arguments, **options)
        note(self, result)
        return result

    setattr(owner, name, noted)


def present() -> dict[object, str]:
    """Return a key and a description of each thing that the process holds now."""
    found: dict[object, str] = {}
    for thread in threading.enumerate():
        if not thread.name.startswith(_KEPT_THREADS):
            found[thread] = f"thread {thread.name}"
    _loops[:] = [loop for loop in _loops if not loop.is_closed() or asyncio.all_tasks(loop)]
    for loop in _loops:
        found[loop] = f"event loop {loop!r}"
    found |= {timer: f"timer {timer.objectName()} of {timer.parent()!r}" for timer in _timers if _is_active(timer)}
    _gl_objects[:] = [made for made in _gl_objects if not isinstance(made.mglo, moderngl.InvalidObject)]
    found |= {made: f"OpenGL object {made!r}" for made in _gl_objects}
    found |= {f"child {child}": f"child process {child}" for child in _children()}
    found |= {f"file {name}": f"temporary file {name}" for name in os.listdir(tempfile.gettempdir())}  # noqa: PTH208
    found |= _descriptors()
    if isinstance(QCoreApplication.instance(), QApplication):
        for widget in QApplication.topLevelWidgets():
            found["widget", sip.unwrapinstance(widget)] = f"top-level widget {_name_of(widget)}"
    return found


def left_since(before: dict[object, str], *, grace_s: float = GRACE_S) -> list[str]:
    """Return descriptions of what is here and was not before; what is just ending gets ``grace_s`` for it."""
    deadline_s = time.monotonic() + grace_s
    _end_deferred()
    new = _new(before)
    while new and time.monotonic() < deadline_s:
        gc.collect()
        _end_deferred()
        new = _new(before)
        if new:
            threading.Event().wait(_POLL_S)
    return sorted(new.values())


def _new(before) -> dict[object, str]:
    new = {key: name for key, name in present().items() if key not in before}
    # Tasks of a loop that a wider fixture runs are its own.
    for loop in [key for key in new if isinstance(key, asyncio.AbstractEventLoop)]:
        new |= {task: f"task {task!r}" for task in asyncio.all_tasks(loop)}
    return new


def _is_active(timer) -> bool:
    return not sip.isdeleted(timer) and timer.isActive()


def _end_deferred() -> None:
    """Delete what Qt deletes when its loop runs next."""
    if QCoreApplication.instance() is not None:
        QCoreApplication.processEvents()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def _name_of(widget) -> str:
    return f"{type(widget).__name__} {widget.objectName()!r} {widget.windowTitle()!r}"


def _children() -> set[str]:
    """Return process id and name of each child, ended ones included that nobody waited for."""
    found = set()
    for tasks in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            for pid in tasks.read_text().split():
                name = Path(f"/proc/{pid}/comm").read_text().strip()
                if not name.startswith(_KEPT_CHILDREN):
                    found.add(f"{pid} {name}")
    return found


def _descriptors() -> dict[object, str]:
    """Return open files and sockets. Qt keeps some of its own: beside it only sockets of the Internet and our files."""
    found: dict[object, str] = {}
    has_qt, root = QCoreApplication.instance() is not None, os.environ["PYTEST_DEBUG_TEMPROOT"]
    # Qt's own files, where the checkout or its .venv lies in the folder for temporary files.
    installed = str(Path(__file__).parents[2]), sys.prefix
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{number}")  # noqa: PTH115
            ours = target.startswith(root) and not target.startswith(installed) and _CHROMIUM not in target
            if not has_qt or ours:
                found[number, target] = f"descriptor {number}: {target}"
            elif target.startswith("socket:") and _is_internet(int(number)):
                found[number, target] = f"socket {number}: {target}"
    return found


def _is_internet(number: int) -> bool:
    if not stat.S_ISSOCK(os.fstat(number).st_mode):
        return False
    with socket.socket(fileno=os.dup(number)) as copy:
        return copy.family in (socket.AF_INET, socket.AF_INET6)
