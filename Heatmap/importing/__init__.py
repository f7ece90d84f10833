"""Bringing files into the record: archives, bought data, recorders' frames, our own exports.

What is decided here, and why:

* **A USD-M event of Binance has the source ``binance`` wherever it was read.** It is the same event of the same venue,
  so the exchange's exact-duplicate key makes a file and a live recording of the same hour one set of rows, and the map
  shows both without knowing of it. A source of its own for each kind of file would show every event twice as soon as
  two sources are shown together.
* **Where a row came from is kept beside it**: ``liq_events.import_id`` names a row of ``imports`` (file, format, when,
  how many rows); NULL means that a collector recorded it. What was recorded live stays so when a file brings it again.
* **No coverage is claimed.** A file does not say when its recorder was connected, and these are samples like the
  stream itself (at most one liquidation a second and symbol): an hour without rows stays *unknown*, sums stay lower
  bounds.
* **COIN-M contracts are another market.** Their quantities are contracts of 100 or 10 dollars; they are converted to
  coins and dollars and marked with a source of their own, ``binance-coinm``, so that they never add to USD-M sums.
  They keep their own symbol unless the user asks for them under a USD-M one.
* **Retention leaves imported rows alone**: who imports old history wants to keep it.
"""
