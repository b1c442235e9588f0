-- SHA-256 of what was stored: a row that does not match is damaged, and is never sent.
-- `sha256` is lent to SQLite by runtime/sqlite.py.
ALTER TABLE outbox ADD COLUMN digest BLOB NOT NULL DEFAULT x'';
UPDATE outbox SET digest = sha256(body);

-- The same for the stream: a watermark that grew by itself would let rows be forgotten.
ALTER TABLE stream ADD COLUMN digest BLOB NOT NULL DEFAULT x'';
UPDATE stream SET digest =
    sha256(epoch || ' ' || upto || ' ' || posted || ' ' || coalesce(conflict, ''));

-- The machine this stream was born on; empty where it is not known.
ALTER TABLE stream ADD COLUMN machine TEXT NOT NULL DEFAULT '';

-- Where each station stands: replaced with the rows it comes from, in the same transaction. `place`
-- is the rowid, so that a text of up to a page lies beside its key and one page is written.
CREATE TABLE session (
    place INTEGER PRIMARY KEY,
    station TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,
    digest BLOB NOT NULL
) STRICT;

-- Streams that ended here: what is in this file was taken over from them under new numbers.
CREATE TABLE past (
    number INTEGER PRIMARY KEY,
    epoch TEXT NOT NULL,        -- empty where it could not be read
    ended_at TEXT NOT NULL,     -- UTC, by the clock of the gateway
    why TEXT NOT NULL,
    aside TEXT NOT NULL,        -- name of the file that was moved aside
    taken INTEGER NOT NULL,     -- rows taken over
    missing TEXT NOT NULL,      -- JSON list of [first, last] seq that could not be read
    seen INTEGER NOT NULL DEFAULT 0 -- a person has seen it
) STRICT;

-- One statement is one transaction and one hop to the disk. Rows and sessions that belong together
-- go through this view; `beyond` takes back rows that nobody was told of.
CREATE VIEW intake AS
    SELECT NULL AS seq, NULL AS station, NULL AS body, NULL AS digest, NULL AS beyond;
CREATE TRIGGER intake_row INSTEAD OF INSERT ON intake WHEN NEW.seq IS NOT NULL BEGIN
    INSERT INTO outbox (seq, body, digest) VALUES (NEW.seq, NEW.body, NEW.digest);
END;
CREATE TRIGGER intake_session INSTEAD OF INSERT ON intake WHEN NEW.station IS NOT NULL BEGIN
    INSERT INTO session (station, body, digest) VALUES (NEW.station, NEW.body, NEW.digest)
        ON CONFLICT (station) DO UPDATE SET body = excluded.body, digest = excluded.digest;
END;
CREATE TRIGGER intake_beyond INSTEAD OF INSERT ON intake WHEN NEW.beyond IS NOT NULL BEGIN
    DELETE FROM outbox WHERE seq > NEW.beyond;
END;
