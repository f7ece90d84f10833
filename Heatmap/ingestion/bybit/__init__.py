"""Bybit v5: linear USDT perpetuals. Without I/O."""
