-- From version 1 to 2: quarantine, collector, clock offsets, imports. Once released, this file is never changed.

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

-- Who records, and how it goes: one row for each source. It is renewed every 5 s; nobody records any more when
-- heartbeat_ms is older than 15 s, or state is 'stopped'.
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

-- Files that were imported; only those that brought something new.
CREATE TABLE imports (
    id          INTEGER PRIMARY KEY,
    file        TEXT    NOT NULL CHECK (file <> ''),  -- its name, without the folder; inside a zip "archive.zip/member"
    format      TEXT    NOT NULL CHECK (format <> ''),  -- binance-archive, tardis, force-order, heatmap
    imported_ms INTEGER NOT NULL,
    rows        INTEGER NOT NULL CHECK (rows > 0)  -- how many rows of liq_events it brought
) STRICT;
-- The file it came from; NULL: recorded by a collector.
ALTER TABLE liq_events ADD COLUMN import_id INTEGER REFERENCES imports (id);
