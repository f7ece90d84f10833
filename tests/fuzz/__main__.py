"""The long form: ``PYTHONPATH=tests python -P -m fuzz [INPUTS] [--seed N] [--target WORD] [--keep FOLDER]``."""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import resource
import sys
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from fuzz.target import fuzz
from fuzz.targets import TARGETS, closing_all


def main() -> int:
    """Fuzz each target and print one line for each; return 1 if anything but the documented errors came out."""
    parser = argparse.ArgumentParser(description="Fuzz everything that comes from outside.")
    parser.add_argument("inputs", type=int, nargs="?", default=1_000_000, help="number of inputs in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", default="", help="only targets with this word in their name")
    parser.add_argument("--keep", type=Path, help="folder for the inputs that fail")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    chosen = [target for target in TARGETS if options.target in target.name]
    whole = sum(target.share for target in chosen)
    count = faults = 0
    begun_s = time.perf_counter()
    with closing_all():
        for target in chosen:
            inputs = max(round(options.inputs * target.share / whole), 1)

            def tell(kind: str, data: bytes, trace: str, name: str = target.name) -> None:
                print(f"FAULT {name}: {kind}\n{trace}", flush=True)  # noqa: T201
                if options.keep is not None:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    words = f"{name} {kind}".replace(" ", "-").replace(":", "-")
                    (options.keep / f"{words}-{hashlib.sha256(data).hexdigest()[:8]}").write_bytes(data)

            result = fuzz(target, inputs, options.seed, on_fault=tell)
            count += result.inputs
            faults += len(result.faults)
            counts = f"{result.inputs:>9,} inputs  {result.refused:>9,} refused  {len(result.faults):>3} faults"
            each_ms = 1e3 * result.seconds / result.inputs
            print(f"{target.name:<16} {counts}  {each_ms:>8.3f} ms each", flush=True)  # noqa: T201
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count:,} inputs, {faults} faults, {time.perf_counter() - begun_s:,.0f} s, peak {peak_mb:,.0f} MB")  # noqa: T201
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
