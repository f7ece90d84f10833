"""All targets."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from fuzz import files, frames, page, stored

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGETS: Final = (*frames.TARGETS, *files.TARGETS, *page.TARGETS, *stored.TARGETS)


@contextmanager
def closing_all() -> Iterator[None]:
    """Delete in the end what targets have made."""
    with ExitStack() as stack:
        stack.callback(files.IMPORTING.close)
        stack.callback(stored.STORED.close)
        yield
