"""Runs a script with Binance on loopback: ``python run_script.py WS_URL REST_URL SCRIPT [ARGUMENT …]``."""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace

from Heatmap.events import Source
from Heatmap.ingestion.binance import endpoints
from Heatmap.ingestion.venues import VENUES

ws_url, rest_url, *sys.argv = sys.argv[1:]
VENUES[Source.BINANCE] = replace(VENUES[Source.BINANCE], base_urls=lambda *_: endpoints.base_urls(ws_url, rest_url))
runpy.run_path(sys.argv[0], run_name="__main__")
