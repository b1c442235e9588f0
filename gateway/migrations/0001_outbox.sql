-- One stream for each file. A new file is a new epoch.
CREATE TABLE stream (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch TEXT NOT NULL,
    upto INTEGER NOT NULL DEFAULT 0 CHECK (upto >= 0),    -- the bridge's ledger has all to here
    posted INTEGER NOT NULL DEFAULT 0 CHECK (posted >= 0), -- the ERP has, or refused, all to here
    conflict INTEGER                                       -- this seq came to the bridge twice
) STRICT;

-- seq is the rowid: no second index, and rows lie on disk in the order they are sent.
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY CHECK (seq >= 1),
    body TEXT NOT NULL
) STRICT;

-- What the bridge will not book, and why.
CREATE TABLE rejected (
    seq INTEGER PRIMARY KEY,
    code TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
