"""Import of files into the record: archives, bought data, recorders' frames, exports of this program.

* **A USD-M event of Binance has the source ``binance`` wherever it was read**: the exchange's duplicate key makes a
  file and a live recording of the same hour one set of rows.
* **The origin of a row is stored beside it**: ``liq_events.import_id`` names a row of ``imports`` (file, format, time,
  number of rows); NULL: recorded by a collector, also if a file contains the row later.
* **No coverage is claimed by itself.** A file does not say when its recorder was connected, and it is a sample like the
  stream: an hour without rows stays *unknown*, sums stay lower bounds. Its owner may claim its span as covered; such
  coverage is marked, and a file of which a row was refused gets none.
* **What is not certain is refused** with its line: a table whose columns are not known, a time that lost its digits, a
  side that may be the order's or the position's. `column_names` says which names mean what, `cell` which times,
  numbers, sides and symbols are certain.
* **The column ``exchange`` of tardis.dev decides**: rows of the USDT perpetuals of Bybit, OKX and Gate get their
  source. Sizes of OKX and Gate are in contracts; how large one is the user must say, or the row is refused.
* **COIN-M contracts are another market.** They are converted to coins and dollars and have the source
  ``binance-coinm``, so that they never add to USD-M sums; they keep their own symbol unless the user names a USD-M one.
* **Retention does not delete rows of imported files**: whoever imports old history wants to keep it.
"""
