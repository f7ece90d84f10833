"""The record as a table for other programs: CSV, Parquet or NPZ, written in constant memory.

All have the columns of `Heatmap.storage.record_reader.COLUMNS` in that order, times in ms since the epoch (UTC), and
can be imported again; NPZ leaves ``raw_json`` out. What is unknown is empty in CSV, null in Parquet, and in NPZ NaN for
a number and -1 for a time.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from Heatmap.errors import RecordFileError
from Heatmap.storage.record_reader import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

    from Heatmap.storage.record_reader import RecordReader, Selection

    Progress = Callable[[int], None]

NPZ_COLUMNS: Final = tuple(column for column in COLUMNS if column != "raw_json")
_TEXT_COLUMNS: Final = ("symbol", "side", "source")
_TIME_COLUMNS: Final = ("ts_ms", "event_ms", "received_ms")
_UNKNOWN_MS: Final = -1
_LINE_BREAKS: Final = re.compile(r"[\r\n]+")
_CHUNK_ROWS: Final = 20_000
_SIDE_CHARS: Final = 4


def write_csv(file: IO[bytes], reader: RecordReader, selection: Selection, on_progress: Progress) -> int:
    """Write the selected events as UTF-8 CSV with a header and return how many they are.

    Numbers are written so that they read back to the last bit. A line break in a frame, which JSON allows between its
    parts, becomes a blank: one event is one line.

    Parameters
    ----------
    file
        Where to.
    reader, selection
        What.
    on_progress
        Called with the rows written so far.

    Raises
    ------
    StorageError
        The database cannot be read.
    OSError
        The file cannot be written.
    """
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    raw_at = COLUMNS.index("raw_json")
    written = 0
    for rows in _chunks(reader.rows(selection)):
        writer.writerows(
            row if row[raw_at] is None else (*row[:raw_at], _LINE_BREAKS.sub(" ", row[raw_at])) for row in rows
        )
        written += len(rows)
        on_progress(written)
    text.flush()
    text.detach()
    return written


def write_npz(file: IO[bytes], reader: RecordReader, selection: Selection, on_progress: Progress) -> int:
    """Write the selected events as one array for each column and return how many they are.

    Text is stored as fixed-width Unicode, so that ``numpy.load`` needs no pickle. The arguments and errors are those of
    `write_csv`.
    """
    import numpy as np  # noqa: PLC0415 - only for this format
    from numpy.lib import format as npy  # noqa: PLC0415

    series = reader.series()
    widths = {
        "symbol": max((len(symbol) for _, symbol in series), default=1),
        "source": max((len(source) for source, _ in series), default=1),
        "side": _SIDE_CHARS,
    }
    count = reader.count(selection)
    written = 0
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
        # One pass over the record for each column, so that no column has to be held.
        for column in NPZ_COLUMNS:
            unknown: Any = _UNKNOWN_MS if column in _TIME_COLUMNS else np.nan
            dtype = np.dtype(
                f"<U{widths[column]}" if column in _TEXT_COLUMNS else "<i8" if column in _TIME_COLUMNS else "<f8"
            )
            header = {"descr": dtype.str, "fortran_order": False, "shape": (count,)}
            with archive.open(f"{column}.npy", "w", force_zip64=True) as member:
                npy.write_array_header_1_0(member, header)
                for rows in _chunks(reader.rows(selection, (column,))):
                    values = [unknown if value is None else value for (value,) in rows]
                    member.write(np.array(values, dtype).tobytes())
                    written += len(rows)
                    on_progress(written // len(NPZ_COLUMNS))
    return count


def write_parquet(file: IO[bytes], reader: RecordReader, selection: Selection, on_progress: Progress) -> int:
    """Write the selected events as Parquet and return how many they are.

    The arguments and errors are those of `write_csv`; and further

    Raises
    ------
    RecordFileError
        pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional, and slow to load
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise RecordFileError(
            "pyarrow is not installed",
            short='Parquet needs pyarrow: pip install "liquidation-heatmap[parquet]". CSV and NPZ need nothing.',
        ) from None
    words = pa.dictionary(pa.int32(), pa.string())
    kinds = dict.fromkeys(_TEXT_COLUMNS, words) | dict.fromkeys(_TIME_COLUMNS, pa.int64())
    kinds["raw_json"] = pa.string()
    schema = pa.schema([(column, kinds.get(column, pa.float64())) for column in COLUMNS])
    written = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for rows in _chunks(reader.rows(selection)):
            columns = list(zip(*rows, strict=True))
            arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            written += len(rows)
            on_progress(written)
    return written


def _chunks(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    while chunk := list(islice(rows, _CHUNK_ROWS)):
        yield chunk
