"""Mutations of recorded inputs: of bytes, of JSON values, of the cells of a table. All follow from one seed."""

from __future__ import annotations

import json
import random
import re
from typing import Any, Final

DIGITS: Final = "9" * 4400  # more than Python converts to an integer
NUMBERS: Final = (
    0, -1, 1, 2, 0.5, -0.0, 1e308, -1e308, 1e-308, 5e-324, 1e300, 1e16, 2**31, 2**53, 2**63, 2**64, -(2**63), 10**400,
    float("nan"), float("inf"), float("-inf"), 1_700_000_000, 1_700_000_000_123, 1_700_000_000_123_456, 1e17,
)  # fmt: skip
WORDS: Final = (
    "", " ", "NaN", "inf", "-Infinity", "1e308", "1e400", "1e-400", "-1", "0", "0.0", "1_0", "0x10", "٣", "1,5", "1e99",
    DIGITS, "0." + DIGITS, "\x00", "\n", "\r\n2026-01-01 00:00:00 ERROR Heatmap: forged", "\x1b[2J\x1b[31m", "\u202e",
    "\u2028", "\ud800", "\udcff", "=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1", "<b>x</b>", "<IMG/SRC=//X/Y>", "'", '"',
    '""', "{", "[", "{'a': 1}", "{'a': " + "[" * 300 + "}", "../../etc/passwd", "💥", "ß", "btcusdt", "BTCUSDT",
    "BTC-USDT-SWAP", "BTC_USDT", "BTCUSD_PERP", "BTCUSD_260327", "A" * 41, "A" * 3000, "SELL", "BUY", "Buy", "Sell",
    "long", "short", "net", "forceOrder", "markPriceUpdate", "subscribe", "update", "error", "true", "None",
)  # fmt: skip
_NUMBER: Final = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?")


class Mutator:
    """Makes inputs of seeds; the same seed number makes the same inputs."""

    def __init__(self, number: int) -> None:
        self.random = random.Random(number)

    def json_text(self, text: bytes) -> bytes:
        """Return a JSON text with one to three of its values changed; sometimes some bytes, too."""
        try:
            box = [json.loads(text)]
        except ValueError:
            return self.raw(text)
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            self._change(box)
        try:
            changed = json.dumps(box[0], ensure_ascii=self.random.random() < 0.7).encode("utf-8", "surrogatepass")
        except (RecursionError, ValueError):
            changed = b"[" * 3000
        return self.raw(changed) if self.random.random() < 0.1 else changed

    def scalar(self) -> Any:
        """Return a value that no honest peer sends."""
        if self.random.random() < 0.05:
            return self.random.choice((None, True, False, [], {}, [[]], {"": {}}, self._deep()))
        value: Any = self.random.choice(self.random.choice((NUMBERS, WORDS)))
        if isinstance(value, float | int) and self.random.random() < 0.5:
            return repr(value) if abs(value) < 1e300 else "1e305"
        return value

    def raw(self, data: bytes) -> bytes:
        """Return bytes with one to four places changed, cut, repeated or put in."""
        changed = bytearray(data)
        for _ in range(self.random.randint(1, 4)):
            at = self.random.randint(0, len(changed))
            end = min(at + self.random.choice((1, 1, 2, 4, 8, 64, 1000)), len(changed))
            match self.random.randrange(7):
                case 0 if at < len(changed):
                    changed[at] ^= 1 << self.random.randrange(8)
                case 1:
                    del changed[at:end]
                case 2:
                    changed[at:at] = changed[at:end] * self.random.choice((1, 2, 50))
                case 3:
                    changed[at:end] = self.random.randbytes(self.random.choice((1, 2, 4, 8)))
                case 4:
                    changed[at:at] = self.random.choice(WORDS).encode("utf-8", "surrogatepass")
                case 5:
                    found = [match.span() for match in _NUMBER.finditer(changed[:20_000])]
                    if found:
                        first, last = self.random.choice(found)
                        changed[first:last] = repr(self.random.choice(NUMBERS)).encode()
                case _:
                    del changed[self.random.randint(0, len(changed)) :]
            del changed[200_000:]
        return bytes(changed)

    def table(self, text: bytes) -> bytes:
        """Return a table with some cells changed, or a row or column less or more."""
        rows = text.split(b"\n")
        mark = max((b",", b";", b"\t"), key=text.count)
        for _ in range(self.random.randint(1, 3)):
            number = self.random.randrange(len(rows))
            cells = rows[number].split(mark)
            at = self.random.randrange(len(cells))
            match self.random.randrange(8):
                case 0:
                    del cells[at]
                case 1:
                    cells.insert(at, cells[self.random.randrange(len(cells))])
                case 2:
                    rows.insert(number, rows[self.random.randrange(len(rows))])
                case _:
                    value = self.scalar()
                    word = value if isinstance(value, str) else str(value)
                    cells[at] = word.encode("utf-8", "surrogatepass")
            rows[number] = mark.join(cells)
        changed = b"\n".join(rows)
        return self.raw(changed) if self.random.random() < 0.1 else changed

    def _deep(self) -> Any:
        value: Any = 1
        for _ in range(self.random.choice((5, 60, 900))):
            value = [value] if self.random.random() < 0.5 else {"a": value}
        return value

    def _change(self, box: list[Any]) -> None:  # noqa: C901 - one case for each change
        holders: list[tuple[Any, Any]] = []
        queue: list[Any] = [box]
        while queue and len(holders) < 2000:
            node = queue.pop()
            items = node.items() if isinstance(node, dict) else enumerate(node)
            for key, item in items:
                holders.append((node, key))
                if isinstance(item, dict | list):
                    queue.append(item)
        if not holders:
            return
        node, key = self.random.choice(holders)
        match self.random.randrange(10):
            case 0 if node is not box:
                del node[key]
            case 1 if isinstance(node, list) and node is not box:
                node[key:key] = [node[key]] * self.random.choice((1, 2, 30))
            case 2 if isinstance(node, dict):
                node[self.random.choice((*WORDS, *node))] = node.pop(key)
            case 3:
                other, where = self.random.choice(holders)
                found = other[where] if where in other or (isinstance(other, list) and where < len(other)) else None
                node[key] = json.loads(json.dumps(found))
            case 4:
                node[key] = [node[key]]
            case 5 if isinstance(node, dict):
                node[self.random.choice(WORDS)] = self.scalar()
            case _:
                node[key] = self.scalar()
