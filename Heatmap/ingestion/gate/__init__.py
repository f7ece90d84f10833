"""Gate v4: linear USDT perpetuals."""
