-- Version 1. All times are milliseconds since the Unix epoch, UTC; prices in quote currency, quantities in base
-- currency. Read it with any SQLite tool; write only through the program.

-- One row is one forced liquidation as the exchange reported it.
CREATE TABLE liq_events (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of arrival; never used twice, for readers go on by it
    ts_ms       INTEGER NOT NULL CHECK (ts_ms > 0),  -- trade time of the order
    symbol      TEXT    NOT NULL CHECK (symbol <> ''),
    side        TEXT    NOT NULL CHECK (side IN ('SELL', 'BUY')),  -- SELL: a long was liquidated; BUY: a short
    price       REAL    NOT NULL CHECK (price > 0 AND price < 9e999),  -- average fill price; 9e999 is infinity
    qty         REAL    NOT NULL CHECK (qty > 0 AND qty < 9e999),  -- filled quantity
    notional    REAL    NOT NULL CHECK (notional > 0 AND notional < 9e999),  -- price * qty
    source      TEXT    NOT NULL CHECK (source <> ''),  -- binance, demo, replay
    raw_json    TEXT,  -- the frame as received, if frames are kept
    order_price REAL,  -- limit (bankruptcy) price
    order_qty   REAL,  -- original quantity
    event_ms    INTEGER,  -- push time of the exchange
    received_ms INTEGER  -- when this machine read the frame
) STRICT;

-- The feed has no id; this is the exchange's exact-duplicate key.
CREATE UNIQUE INDEX uq_liq_events ON liq_events (
    source, symbol, ts_ms, side, price, qty, ifnull(order_price, -1), ifnull(order_qty, -1)
);
CREATE INDEX idx_liq_events_symbol_ts ON liq_events (symbol, ts_ms);
CREATE INDEX idx_liq_events_ts ON liq_events (ts_ms);
-- Holds all that a window query returns, in its order: the table itself is not touched.
CREATE INDEX idx_liq_events_window ON liq_events (source, symbol, ts_ms, id, price, notional, side);

-- When a live, delivering connection existed. Outside of it nothing is known, which is not "no liquidations".
CREATE TABLE coverage (
    id       INTEGER PRIMARY KEY,
    source   TEXT    NOT NULL CHECK (source <> ''),
    symbol   TEXT    NOT NULL CHECK (symbol <> ''),
    start_ms INTEGER NOT NULL CHECK (start_ms > 0),
    end_ms   INTEGER NOT NULL CHECK (end_ms >= start_ms)
) STRICT;
CREATE INDEX idx_coverage_series ON coverage (source, symbol, end_ms);

-- The last known tick size; the exchange changes it now and then.
CREATE TABLE tick_sizes (
    source     TEXT    NOT NULL CHECK (source <> ''),
    symbol     TEXT    NOT NULL CHECK (symbol <> ''),
    tick_size  REAL    NOT NULL CHECK (tick_size > 0 AND tick_size < 9e999),
    updated_ms INTEGER NOT NULL,
    PRIMARY KEY (source, symbol)
) STRICT, WITHOUT ROWID;
