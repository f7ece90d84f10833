"""Whether the process that wrote a row has ended, where that can be known for certain."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE: Final = Path("/proc/self/ns/pid")


def new_run_id() -> str:
    """Return a word of its own for a run, which also tells where its process number means something.

    A number names a process only within one boot of one machine and, for containers, within one namespace of numbers.
    Where the system does not tell these (it is not Linux) the word is just a word.
    """
    return f"{secrets.token_hex(8)}{_numbering()}"


def has_ended(run_id: str, pid: int) -> bool:
    """Return True only if the process of a run is certainly gone; False if it lives, or nobody can say."""
    return is_living(run_id, pid) is False


def is_living(run_id: str, pid: int) -> bool | None:
    """Return whether the process of a run lives, None if nobody can say.

    A number that was given to another process since makes a dead one look alive.
    """
    own = _numbering()
    if not own or not run_id.endswith(own):
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        # It is another user's.
        return True
    return True


def _numbering() -> str:
    try:
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
        namespace = str(_PID_NAMESPACE.readlink())
    except OSError:
        return ""
    return f"@{boot[:8]}{namespace.partition(':')[2]}"
