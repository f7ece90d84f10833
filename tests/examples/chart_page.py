"""A page with a chart such as any host has; `chart` and `series` are global in it."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.request import urlopen

import Heatmap

CANDLES = "https://fapi.binance.com/fapi/v1/klines?symbol={}&interval=1m&limit=300"
# Your own copy of the library, or a <script src>; Heatmap brings one along.
LIBRARY = Path(Heatmap.__file__).parent / "app/page/vendor/lightweight-charts.js"
PAGE = """<!DOCTYPE html>
<body style="margin: 0; background: #10141a"><div id="box" style="height: 100vh"></div>
<script>%s</script>
<script>
const chart = LightweightCharts.createChart(document.getElementById('box'), {
  autoSize: true,
  layout: {background: {color: '#10141a'}, textColor: '#9aa4b2'},
  grid: {vertLines: {color: '#1c232d'}, horzLines: {color: '#1c232d'}},
  timeScale: {timeVisible: true},
});
const series = chart.addSeries(LightweightCharts.CandlestickSeries);
series.setData(%s);
</script>"""


def candles(symbol: str = "BTCUSDT") -> list[dict[str, float]]:
    """Return the last five hours from Binance; times in seconds, UTC."""
    with urlopen(CANDLES.format(symbol)) as answer:
        rows = json.load(answer)
    names = "open", "high", "low", "close"
    return [{"time": row[0] // 1000} | dict(zip(names, map(float, row[1:5]), strict=True)) for row in rows]


def chart_page(symbol: str = "BTCUSDT") -> str:
    return PAGE % (LIBRARY.read_text(encoding="utf-8"), json.dumps(candles(symbol)))
