-- Tables are made anew and not altered: what stands in the schema is then what is written here,
-- letter for letter, and a store is held against it when it is opened.

-- SHA-256 of what was stored: a row that does not match is damaged, and is never sent.
-- `sha256` is lent to SQLite by runtime/sqlite.py.
CREATE TEMP TABLE old_outbox AS SELECT seq, body FROM outbox;
DROP TABLE outbox;
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY CHECK (seq >= 1),
    body TEXT NOT NULL,
    digest BLOB NOT NULL
) STRICT;
INSERT INTO outbox (seq, body, digest) SELECT seq, body, sha256(body) FROM old_outbox ORDER BY seq;
DROP TABLE old_outbox;

-- The same for the stream: a watermark that grew by itself would let rows be forgotten.
CREATE TEMP TABLE old_stream AS SELECT * FROM stream;
DROP TABLE stream;
CREATE TABLE stream (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch TEXT NOT NULL,
    upto INTEGER NOT NULL DEFAULT 0 CHECK (upto >= 0),    -- the bridge's ledger has all to here
    posted INTEGER NOT NULL DEFAULT 0 CHECK (posted >= 0), -- the ERP has, or refused, all to here
    conflict INTEGER,                                      -- this seq came to the bridge twice
    digest BLOB NOT NULL,                                  -- of 'epoch upto posted conflict'
    machine TEXT NOT NULL DEFAULT ''                       -- it was born on; empty: not known
) STRICT;
INSERT INTO stream (one, epoch, upto, posted, conflict, digest)
    SELECT one, epoch, upto, posted, conflict,
        sha256(epoch || ' ' || upto || ' ' || posted || ' ' || coalesce(conflict, ''))
    FROM old_stream;
DROP TABLE old_stream;

-- Where each station stands: replaced with the rows it comes from, in the same transaction. `place`
-- is the rowid, so that a text of up to a page lies beside its key and one page is written.
CREATE TABLE session (
    place INTEGER PRIMARY KEY,
    station TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,          -- empty: it stands nowhere
    digest BLOB NOT NULL
) STRICT;

-- Streams that ended: what this file began with was taken over from the last of them.
CREATE TABLE past (
    number INTEGER PRIMARY KEY,
    epoch TEXT NOT NULL,         -- empty where it could not be read
    ended_at TEXT NOT NULL,      -- UTC, by the clock of the gateway
    cause TEXT NOT NULL,         -- damage, copy, moved, asked
    why TEXT NOT NULL,
    aside TEXT NOT NULL,         -- name of the file that was moved aside
    taken INTEGER NOT NULL,      -- rows taken over
    missing TEXT NOT NULL        -- JSON list of [first, last] seq that could not be read
) STRICT;

-- One statement is one transaction and one hop to the disk. What belongs together goes through this
-- view: rows, sessions, the bridge's word; `beyond` takes back rows that nobody was told of.
CREATE VIEW intake AS
    SELECT NULL AS seq, NULL AS station, NULL AS body, NULL AS digest,
        NULL AS upto, NULL AS posted, NULL AS conflict, NULL AS beyond;
CREATE TRIGGER intake_row INSTEAD OF INSERT ON intake WHEN NEW.seq IS NOT NULL BEGIN
    INSERT INTO outbox (seq, body, digest) VALUES (NEW.seq, NEW.body, NEW.digest);
END;
CREATE TRIGGER intake_session INSTEAD OF INSERT ON intake WHEN NEW.station IS NOT NULL BEGIN
    INSERT INTO session (station, body, digest) VALUES (NEW.station, NEW.body, NEW.digest)
        ON CONFLICT (station) DO UPDATE SET body = excluded.body, digest = excluded.digest;
END;
CREATE TRIGGER intake_word INSTEAD OF INSERT ON intake WHEN NEW.upto IS NOT NULL BEGIN
    UPDATE stream SET upto = NEW.upto, posted = NEW.posted, conflict = NEW.conflict,
        digest = NEW.digest;
END;
CREATE TRIGGER intake_beyond INSTEAD OF INSERT ON intake WHEN NEW.beyond IS NOT NULL BEGIN
    DELETE FROM outbox WHERE seq > NEW.beyond;
END;
