-- Tables that only the copy of a server's record has, beside those of schema.sql. Row ids are the server's.

-- One row: what the copy is of, and how far it goes.
CREATE TABLE IF NOT EXISTS copy (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    record_id TEXT    NOT NULL,  -- record.id of the server
    last_id   INTEGER NOT NULL,  -- all rows of the series below up to this id are here, apart from older ones
    as_of_ms  INTEGER,  -- when the server had no newer row than that; by this machine's clock
    problem   TEXT    NOT NULL,  -- why the server cannot be read now, as a sentence
    revision  INTEGER NOT NULL  -- number of times that the rows were replaced by those of another record
) STRICT;

-- The series that are copied.
CREATE TABLE IF NOT EXISTS copied (
    source    TEXT    NOT NULL CHECK (source <> ''),
    symbol    TEXT    NOT NULL CHECK (symbol <> ''),  -- ALL: every symbol of the source
    wanted_ms INTEGER NOT NULL,  -- when a program last wanted it
    from_ms   INTEGER,  -- all rows up to last_id with this trade time or a later one are here; NULL: not begun; 0: all
    PRIMARY KEY (source, symbol)
) STRICT, WITHOUT ROWID;
