"""OKX v5: linear USDT swaps."""
