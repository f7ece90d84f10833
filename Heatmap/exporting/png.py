"""A PNG writer: what the picture needs of the format, by zlib alone, so that no imaging library has to be installed.

Format: W3C, "Portable Network Graphics (PNG) Specification (Third Edition)": signature, chunks with CRC, one zlib
stream of filtered lines.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_BITS: Final = 8
_TRUE_COLOUR: Final = 2
_UP_FILTER: Final = 2
_LEVEL: Final = 6


def encode_png(rgb: NDArray[np.uint8], texts: Mapping[str, str]) -> bytes:
    """Return a picture as the bytes of a PNG file.

    Parameters
    ----------
    rgb
        uint8 (height, width, 3), C order, row 0 at the top.
    texts
        Keyword → text that travel in the file, as international text chunks.

    Returns
    -------
    bytes
        The whole file.
    """
    height, width, _ = rgb.shape
    lines = rgb.reshape(height, width * 3)
    filtered = np.empty((height, 1 + width * 3), np.uint8)
    # Each line as its difference from the one above, modulo 256: what is empty becomes zeros.
    filtered[:, 0] = _UP_FILTER
    filtered[0, 1:] = lines[0]
    np.subtract(lines[1:], lines[:-1], out=filtered[1:, 1:])
    chunks = [_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, _BITS, _TRUE_COLOUR, 0, 0, 0))]
    chunks += [_chunk(b"iTXt", _text(keyword, text)) for keyword, text in texts.items()]
    chunks += [_chunk(b"IDAT", zlib.compress(filtered.tobytes(), _LEVEL)), _chunk(b"IEND", b"")]
    return _SIGNATURE + b"".join(chunks)


def _text(keyword: str, text: str) -> bytes:
    # Not compressed, no language, no translated keyword.
    return keyword.encode("latin-1") + b"\x00" + b"\x00\x00" + b"\x00" + b"\x00" + text.encode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
