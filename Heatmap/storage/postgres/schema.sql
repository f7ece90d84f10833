-- The tables of storage/sqlite/schema.sql, which says what they mean, in a schema of their own. The numbering of
-- versions is one for both. "C" orders text by its bytes, as SQLite does.

CREATE SCHEMA IF NOT EXISTS heatmap;
SET LOCAL search_path TO heatmap;

-- One row: which record this is (a copy on a desktop belongs to one of them), and the version of its tables.
CREATE TABLE record (
    id      uuid    NOT NULL DEFAULT gen_random_uuid(),
    version integer NOT NULL
);

CREATE TABLE imports (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    file        text   NOT NULL CHECK (file <> ''),
    format      text   COLLATE "C" NOT NULL CHECK (format <> ''),
    imported_ms bigint NOT NULL,
    rows        bigint NOT NULL CHECK (rows > 0)
);

-- Whoever inserts holds an advisory lock until the end of the transaction, so that ids become visible in their order.
CREATE TABLE liq_events (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ts_ms       bigint NOT NULL CHECK (ts_ms > 0),
    symbol      text   COLLATE "C" NOT NULL CHECK (symbol <> ''),
    side        text   COLLATE "C" NOT NULL CHECK (side IN ('SELL', 'BUY')),
    price       double precision NOT NULL CHECK (price > 0 AND price < 'infinity'),
    qty         double precision NOT NULL CHECK (qty > 0 AND qty < 'infinity'),
    notional    double precision NOT NULL CHECK (notional > 0 AND notional < 'infinity'),
    source      text   COLLATE "C" NOT NULL CHECK (source <> ''),
    raw_json    text,
    order_price double precision,
    order_qty   double precision,
    event_ms    bigint,
    received_ms bigint,
    import_id   bigint REFERENCES imports (id)
);
CREATE UNIQUE INDEX uq_liq_events ON liq_events (
    source, symbol, ts_ms, side, price, qty, coalesce(order_price, -1), coalesce(order_qty, -1)
);
CREATE INDEX idx_liq_events_symbol_ts ON liq_events (symbol, ts_ms);
CREATE INDEX idx_liq_events_ts ON liq_events (ts_ms);
CREATE INDEX idx_liq_events_window ON liq_events (source, symbol, ts_ms, id) INCLUDE (price, notional, side);
-- For copies on desktops, which read each series from its newest row on.
CREATE INDEX idx_liq_events_series ON liq_events (source, symbol, id);

CREATE TABLE coverage (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source   text   COLLATE "C" NOT NULL CHECK (source <> ''),
    symbol   text   COLLATE "C" NOT NULL CHECK (symbol <> ''),
    start_ms bigint NOT NULL CHECK (start_ms > 0),
    end_ms   bigint NOT NULL CHECK (end_ms >= start_ms)
);
CREATE INDEX idx_coverage_series ON coverage (source, symbol, end_ms);

CREATE TABLE tick_sizes (
    source     text   COLLATE "C" NOT NULL CHECK (source <> ''),
    symbol     text   COLLATE "C" NOT NULL CHECK (symbol <> ''),
    tick_size  double precision NOT NULL CHECK (tick_size > 0 AND tick_size < 'infinity'),
    updated_ms bigint NOT NULL,
    PRIMARY KEY (source, symbol)
);

CREATE TABLE quarantine (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source      text   COLLATE "C" NOT NULL CHECK (source <> ''),
    kind        text   COLLATE "C" NOT NULL CHECK (kind <> ''),
    note        text   NOT NULL,
    received_ms bigint NOT NULL,
    size_bytes  bigint NOT NULL,
    frame       bytea  NOT NULL
);

-- Whether a recorder still runs is certain from the advisory lock that it holds.
CREATE TABLE collector (
    source          text   COLLATE "C" PRIMARY KEY CHECK (source <> ''),
    run_id          text   NOT NULL CHECK (run_id <> ''),
    host            text   NOT NULL,
    pid             bigint NOT NULL,
    symbols         text   NOT NULL,
    started_ms      bigint NOT NULL,
    heartbeat_ms    bigint NOT NULL,
    state           text   NOT NULL,
    reason          text   NOT NULL,
    detail          text   NOT NULL,
    since_ms        bigint NOT NULL,
    retry_at_ms     bigint,
    received        bigint NOT NULL,
    stored          bigint NOT NULL,
    duplicates      bigint NOT NULL,
    undecodable     bigint NOT NULL,
    reconnects      bigint NOT NULL,
    latency_ms      double precision,
    clock_offset_ms double precision
);

CREATE TABLE clock_offsets (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source         text   COLLATE "C" NOT NULL CHECK (source <> ''),
    measured_ms    bigint NOT NULL,
    offset_ms      double precision NOT NULL,
    uncertainty_ms double precision NOT NULL CHECK (uncertainty_ms >= 0)
);
