-- The newest version of the schema. All times are milliseconds since the Unix epoch, UTC; prices in quote currency, quantities in base
-- currency. Read it with any SQLite tool; write only through the program.

-- Files that were imported, and what filled gaps from an exchange's history; only those that brought something new.
CREATE TABLE imports (
    id          INTEGER PRIMARY KEY,
    file        TEXT    NOT NULL CHECK (file <> ''),  -- its name, without the folder; inside a zip "archive.zip/member"
    format      TEXT    NOT NULL CHECK (format <> ''),  -- a word such as binance-archive, force-order, csv
    imported_ms INTEGER NOT NULL,
    rows        INTEGER NOT NULL CHECK (rows > 0)  -- how many rows of liq_events it brought
) STRICT;

-- One row is one forced liquidation as the exchange reported it.
CREATE TABLE liq_events (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of arrival; never used twice, for readers go on by it
    ts_ms       INTEGER NOT NULL CHECK (ts_ms > 0),  -- trade time of the order
    symbol      TEXT    NOT NULL CHECK (symbol <> ''),
    side        TEXT    NOT NULL CHECK (side IN ('SELL', 'BUY')),  -- SELL: a long was liquidated; BUY: a short
    price       REAL    NOT NULL CHECK (price > 0 AND price < 9e999),  -- average fill price; 9e999 is infinity
    qty         REAL    NOT NULL CHECK (qty > 0 AND qty < 9e999),  -- filled quantity
    notional    REAL    NOT NULL CHECK (notional > 0 AND notional < 9e999),  -- price * qty
    source      TEXT    NOT NULL CHECK (source <> ''),  -- binance, bybit, okx, gate, binance-coinm, demo, replay
    raw_json    TEXT,  -- the frame as received, if frames are kept
    order_price REAL,  -- limit (bankruptcy) price
    order_qty   REAL,  -- original quantity
    event_ms    INTEGER,  -- push time of the exchange
    received_ms INTEGER,  -- when this machine read the frame
    import_id   INTEGER REFERENCES imports (id)  -- the file it came from; NULL: recorded by a collector
) STRICT;

-- The feed has no id; this is the exchange's exact-duplicate key.
CREATE UNIQUE INDEX uq_liq_events ON liq_events (
    source, symbol, ts_ms, side, price, qty, ifnull(order_price, -1), ifnull(order_qty, -1)
);
CREATE INDEX idx_liq_events_symbol_ts ON liq_events (symbol, ts_ms);
CREATE INDEX idx_liq_events_ts ON liq_events (ts_ms);
-- Holds all that a window query returns, in its order: the table itself is not touched.
CREATE INDEX idx_liq_events_window ON liq_events (source, symbol, ts_ms, id, price, notional, side);

-- When a live, delivering connection existed. Outside of it nothing is known, which is not "no liquidations". A source
-- with "-claimed" behind it marks what nobody recorded: the owner of an imported file says that it is complete, or it
-- was filled from the exchange's history.
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

-- Frames that did not decode, kept for whoever mends the decoder: the newest 1,000, each cut at 4,096 bytes.
CREATE TABLE quarantine (
    id          INTEGER PRIMARY KEY,
    source      TEXT    NOT NULL CHECK (source <> ''),
    kind        TEXT    NOT NULL CHECK (kind <> ''),  -- what is wrong in one word, e.g. bad-price
    note        TEXT    NOT NULL,  -- what was expected and what was there
    received_ms INTEGER NOT NULL,
    size_bytes  INTEGER NOT NULL,  -- of the whole frame
    frame       BLOB    NOT NULL
) STRICT;

-- The last recorder of each source. Its row is renewed every 5 s; whether it still records is certain from its lock on
-- the file NAME.SOURCE.lock beside the database.
CREATE TABLE collector (
    source          TEXT    PRIMARY KEY CHECK (source <> ''),
    run_id          TEXT    NOT NULL CHECK (run_id <> ''),  -- a word of its own for each run
    host            TEXT    NOT NULL,
    pid             INTEGER NOT NULL,
    symbols         TEXT    NOT NULL,  -- separated by blanks
    started_ms      INTEGER NOT NULL,
    heartbeat_ms    INTEGER NOT NULL,
    state           TEXT    NOT NULL,  -- connecting, live, quiet, silent, down, stopped
    reason          TEXT    NOT NULL,  -- why it is silent or down, in one word
    detail          TEXT    NOT NULL,  -- the same as a sentence
    since_ms        INTEGER NOT NULL,  -- when this state began
    retry_at_ms     INTEGER,  -- when the next attempt to connect is made
    received        INTEGER NOT NULL,  -- frames with a liquidation, since the start
    stored          INTEGER NOT NULL,
    duplicates      INTEGER NOT NULL,
    undecodable     INTEGER NOT NULL,
    reconnects      INTEGER NOT NULL,
    latency_ms      REAL,  -- from the exchange to here: half of the usual round trip
    clock_offset_ms REAL  -- see clock_offsets
) STRICT, WITHOUT ROWID;

-- How far the exchange's clock was ahead of this machine's (negative: behind): add it to received_ms to compare that
-- with the exchange's times.
CREATE TABLE clock_offsets (
    id             INTEGER PRIMARY KEY,
    source         TEXT    NOT NULL CHECK (source <> ''),
    measured_ms    INTEGER NOT NULL,  -- by this machine's clock
    offset_ms      REAL    NOT NULL,
    uncertainty_ms REAL    NOT NULL CHECK (uncertainty_ms >= 0)  -- half of the round trip
) STRICT;
