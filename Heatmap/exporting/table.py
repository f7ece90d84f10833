"""Tables of the record for other programs: CSV, Parquet and NPZ, written in constant memory.

All have the columns of `Heatmap.storage.record_reader.COLUMNS` in that order, times in ms since the epoch (UTC), and
can be imported again. Unknown values are empty in CSV and null in Parquet; NPZ see there.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from Heatmap.errors import RecordFileError
from Heatmap.foreign_text import csv_cell
from Heatmap.storage.record_reader import COLUMNS, NPZ_COLUMNS, NPZ_UNKNOWN_MS, TEXT_COLUMNS, TIME_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

    from Heatmap.storage.record_reader import RecordReader, Selection

    Progress = Callable[[int], None]

_LINE_BREAKS: Final = re.compile(r"[\r\n]+")
_CHUNK_ROWS: Final = 20_000
_SIDE_CHARS: Final = 4


def write_csv(file: IO[bytes], reader: RecordReader, selection: Selection, on_progress: Progress) -> int:
    """Write the selected events as UTF-8 CSV with a header; return their number.

    ``on_progress`` is called with the rows written so far. Numbers read back to the last bit. A line break in a frame,
    which JSON allows, becomes a blank: one event is one line. Raises `StorageError` and `OSError`.
    """
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    written = 0
    for rows in _chunks(reader.rows(selection)):
        writer.writerows(map(_csv_row, rows))
        written += len(rows)
        on_progress(written)
    text.flush()
    text.detach()
    return written


def write_npz(file: IO[bytes], reader: RecordReader, selection: Selection, on_progress: Progress) -> int:
    """Write the selected events as one array for each column, otherwise as `write_csv`.

    Text is stored as fixed-width Unicode, so that ``numpy.load`` needs no pickle.
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
        # One pass over the record for each column: no column is in memory as a whole.
        for column in NPZ_COLUMNS:
            unknown: Any = NPZ_UNKNOWN_MS if column in TIME_COLUMNS else np.nan
            number = "<i8" if column in TIME_COLUMNS else "<f8"
            dtype = np.dtype(f"<U{widths[column]}" if column in TEXT_COLUMNS else number)
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
    """Write the selected events as Parquet, otherwise as `write_csv`; a `RecordFileError` without pyarrow."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional, and slow to load
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise RecordFileError(
            "pyarrow is not installed",
            short='Parquet needs pyarrow: pip install "liquidation-heatmap[parquet]". CSV and NPZ need nothing.',
        ) from None
    words = pa.dictionary(pa.int32(), pa.string())
    kinds = dict.fromkeys(TEXT_COLUMNS, words) | dict.fromkeys(TIME_COLUMNS, pa.int64())
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


def _csv_row(row: tuple[Any, ...]) -> list[Any]:
    # No symbol, side, source or frame begins like a formula; a file that somebody passed on may say otherwise.
    return [csv_cell(_LINE_BREAKS.sub(" ", value)) if isinstance(value, str) else value for value in row]


def _chunks(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    while chunk := list(islice(rows, _CHUNK_ROWS)):
        yield chunk
