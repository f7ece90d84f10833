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
    """Make the folders and databases that targets need, and delete them in the end."""
    with ExitStack() as stack:
        files.IMPORTING.open()
        stack.callback(files.IMPORTING.close)
        stored.STORED.open()
        stack.callback(stored.STORED.close)
        yield
