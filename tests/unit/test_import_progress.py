"""The progress bar of an import: on a terminal only, and gone in the end."""

from __future__ import annotations

import io
import sys

import pytest

from Heatmap.cli import main
from Heatmap.storage.imports import IMPORT_CHUNK_ROWS

FRAME = (
    '{{"e":"forceOrder","E":{t},"o":{{"s":"BTCUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"0.014","p":"9910",'
    '"ap":"9910","X":"FILLED","l":"0.014","z":"0.014","T":{t}}}}}'
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_a_bar_is_shown_on_a_terminal_only(tmp_path, monkeypatch, capsys, stream):
    path = tmp_path / "frames.jsonl"
    path.write_text("\n".join(FRAME.format(t=1_790_000_000_000 + index) for index in range(IMPORT_CHUNK_ROWS + 1)))
    monkeypatch.setattr(sys, "stderr", stream)
    assert main(["import", "--db", str(tmp_path / "record.sqlite3"), str(path)]) == 0
    shown = stream.getvalue()
    if isinstance(stream, Terminal):
        assert "frames.jsonl" in shown
        assert "rows/s" in shown
        assert shown.split("\r")[-2].strip() == "", "the line is wiped"
    else:
        assert shown == ""
    assert f"{IMPORT_CHUNK_ROWS + 1:,} new" in capsys.readouterr().out
