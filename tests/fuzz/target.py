"""What is fuzzed, and the loop that does it."""

from __future__ import annotations

import signal
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fuzz.mutation import Mutator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONGEST_S: Final = 10  # of one input; what takes longer counts as a fault


@dataclass(frozen=True)
class Target:
    """Something that takes foreign bytes.

    ``run`` may raise only ``documented``, and itself checks what was taken. ``share`` is that of all inputs.
    """

    name: str
    share: float
    documented: tuple[type[Exception], ...]
    make: Callable[[Mutator], bytes]
    run: Callable[[bytes], None]


@dataclass
class Result:
    """What came of the inputs of one target."""

    inputs: int = 0
    refused: int = 0
    seconds: float = 0.0
    faults: dict[str, tuple[bytes, str]] = field(default_factory=dict)  # by kind: the first input, the traceback


class TooSlowError(Exception):
    """An input took longer than `LONGEST_S`."""


def fuzz(
    target: Target, inputs: int, seed: int, *, on_fault: Callable[[str, bytes, str], None] | None = None
) -> Result:
    """Run a target with so many inputs; faults are told apart by exception and line."""
    mutator, result = Mutator(seed), Result()
    begun_s = time.perf_counter()
    with _alarm():
        for _ in range(inputs):
            data = target.make(mutator)
            result.inputs += 1
            signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
            try:
                target.run(data)
            except target.documented:
                result.refused += 1
            except Exception as error:  # noqa: BLE001 - that is what is looked for
                kind = _kind(error)
                if kind not in result.faults:
                    result.faults[kind] = data, traceback.format_exc()
                    if on_fault is not None:
                        on_fault(kind, data, traceback.format_exc())
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
    result.seconds = time.perf_counter() - begun_s
    return result


def _kind(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "Heatmap" in Path(frame.filename).parts] or frames
    return f"{type(error).__name__} {Path(ours[-1].filename).name}:{ours[-1].lineno}"


@contextmanager
def _alarm() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise TooSlowError(f"took more than {LONGEST_S} s")

    before = signal.signal(signal.SIGALRM, ring)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)
