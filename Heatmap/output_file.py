"""Output of a command to a file, standard output, a pipe or a device.

A regular file is replaced when the new one is complete; a symbolic link stays, and its target is replaced. Standard
output, pipes and devices are written when everything is complete.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

STANDARD_OUTPUT: Final = "-"

_ALIASES: Final = (STANDARD_OUTPUT, "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def output_path(text: str) -> Path:
    """Return the path of a command-line argument; a file called "-" is written ``./-``."""
    path = Path(text)
    return path.absolute() if str(path) == STANDARD_OUTPUT != text else path


def is_standard_output(path: Path) -> bool:
    """Return True if a path stands for standard output; messages must then go to standard error."""
    return str(path) in _ALIASES


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file to write to, which replaces the one at ``path`` when the block ends without an error.

    Missing folders are made; ``-`` is standard output. Raises `OSError` if it cannot be written; a regular file that
    exists stays as it was.
    """
    if is_standard_output(path) or _is_special(path):
        with tempfile.TemporaryFile() as whole:
            yield whole
            whole.seek(0)
            _pass_on(whole, path)
        return
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    # In a folder that others may write to, a name that can be guessed could be a link of theirs.
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    try:
        with unfinished.open("xb") as file:
            yield file
        if target.exists():
            shutil.copymode(target, unfinished)
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _is_special(path: Path) -> bool:
    """Return True for a pipe, a device or a socket; a folder is refused when it is written."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _pass_on(whole: IO[bytes], path: Path) -> None:
    if is_standard_output(path):
        sys.stdout.flush()
        shutil.copyfileobj(whole, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    # Without O_CREAT and O_TRUNC: it exists, and stays a pipe or device.
    with os.fdopen(os.open(path, os.O_WRONLY), "wb") as special:
        shutil.copyfileobj(whole, special)
