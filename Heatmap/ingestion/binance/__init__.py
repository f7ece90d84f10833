"""Binance USD-M: addresses, frames, exchange information, candles. Without I/O."""
