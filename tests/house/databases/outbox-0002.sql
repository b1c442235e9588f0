BEGIN TRANSACTION;
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY CHECK (seq >= 1),
    body TEXT NOT NULL,
    digest BLOB NOT NULL
) STRICT;
INSERT INTO "outbox" VALUES(1,'{"clock":{"boot":"2e7f2596-7405-4fc5-b33c-1574c3f70150","monotonic":"4600.737410","synchronised":false,"wall":"2026-11-23T12:01:58.221055Z"},"epoch":"29a81e46-8157-49a2-9adb-c4ad9156cfa6","event":{"documents":[{"kind":"po","number":"4711"}],"lines":[{"item":{"gtin":"04006381333931"},"quantity":{"unit":"EA","value":"1"}}],"to_location":"DOCK-1","type":"receipt"},"evidence":[{"device":"scanner","kind":"scan","raw":"5d4530343030363338313333333933310d","symbology":"]E0"}],"gateway":"dock-1","id":"01a20848-cbcd-7ea9-8502-8a1b045b02e6","seq":1,"station":"dock"}',X'41ABF59ABD722751BDE961E3C36DB130107BC09C19B18CC13BFA74C28AC961DE');
INSERT INTO "outbox" VALUES(2,'{"clock":{"boot":"2e7f2596-7405-4fc5-b33c-1574c3f70150","monotonic":"4601.738107","synchronised":false,"wall":"2026-11-23T12:01:59.221750Z"},"epoch":"29a81e46-8157-49a2-9adb-c4ad9156cfa6","event":{"documents":[{"kind":"po","number":"4711"}],"lines":[{"item":{"gtin":"04012345123456"},"lot":"LOT7","quantity":{"unit":"EA","value":"1"}}],"to_location":"DOCK-1","type":"receipt"},"evidence":[{"device":"scanner","kind":"scan","raw":"5d43313031303430313233343531323334353631304c4f54370d","symbology":"]C1"}],"gateway":"dock-1","id":"01a20848-cfb5-7ea0-9a2c-bc4820d41db8","seq":2,"station":"dock"}',X'49CC1DF72C58755DB25998207845E4A5C4151F11F2373F83C884D0D0C09E1209');
INSERT INTO "outbox" VALUES(3,'{"clock":{"boot":"2e7f2596-7405-4fc5-b33c-1574c3f70150","monotonic":"4602.737697","synchronised":false,"wall":"2026-11-23T12:02:00.221341Z"},"epoch":"29a81e46-8157-49a2-9adb-c4ad9156cfa6","event":{"documents":[{"kind":"po","number":"4711"}],"lines":[{"item":{"gtin":"04012345123456"},"quantity":{"unit":"EA","value":"12"}}],"to_location":"DOCK-1","type":"receipt"},"evidence":[{"device":"scanner","kind":"scan","raw":"5d433130323034303132333435313233343536333731320d","symbology":"]C1"}],"gateway":"dock-1","id":"01a20848-d39d-7b38-8cc7-9d83219c11fb","seq":3,"station":"dock"}',X'0265E21CBE488E8955C5877BCDD78E9958D2C9DAE95B443252E44AAFA3E0536E');
INSERT INTO "outbox" VALUES(4,'{"clock":{"boot":"2e7f2596-7405-4fc5-b33c-1574c3f70150","monotonic":"4602.986996","synchronised":false,"wall":"2026-11-23T12:02:00.470641Z"},"epoch":"29a81e46-8157-49a2-9adb-c4ad9156cfa6","event":{"documents":[{"kind":"po","number":"4711"}],"item":{"gtin":"04012345123456"},"type":"weighing","weight":{"unit":"kg","unit_code":"KGM","value":"11.250"}},"evidence":[{"device":"scale","kind":"weight","raw":"532053202020202031312e323530206b670d"}],"gateway":"dock-1","id":"01a20848-d496-7636-b45b-051d8d1a9771","seq":4,"station":"dock"}',X'97E5C06EF8960A2C7CDBE92F8422DE2968F2E08319A98DBDDA4D206B9E46F0EF');
INSERT INTO "outbox" VALUES(5,'{"clock":{"boot":"2e7f2596-7405-4fc5-b33c-1574c3f70150","monotonic":"4605.739584","synchronised":false,"wall":"2026-11-23T12:02:03.223228Z"},"epoch":"29a81e46-8157-49a2-9adb-c4ad9156cfa6","event":{"documents":[{"kind":"po","number":"4712"}],"lines":[{"item":{"gtin":"04006381333931"},"quantity":{"unit":"EA","value":"1"}}],"to_location":"DOCK-1","type":"receipt"},"evidence":[{"device":"scanner","kind":"scan","raw":"5d4530343030363338313333333933310d","symbology":"]E0"}],"gateway":"dock-1","id":"01a20848-df57-7714-9fb3-38b34a62b42a","seq":5,"station":"dock"}',X'85713D600594484164B3DF9B1E5BAB9279180961C1EDB4E26482D38443C7AFD7');
INSERT INTO "outbox" VALUES(6,'{"clock":{"boot":"2e7f2596-7405-4fc5-b33c-1574c3f70150","monotonic":"4606.740237","synchronised":false,"wall":"2026-11-23T12:02:04.223882Z"},"epoch":"29a81e46-8157-49a2-9adb-c4ad9156cfa6","event":{"documents":[{"kind":"po","number":"4712"}],"lines":[{"item":{"gtin":"04012345123456"},"lot":"LOT7","quantity":{"unit":"EA","value":"1"}}],"to_location":"DOCK-1","type":"receipt"},"evidence":[{"device":"scanner","kind":"scan","raw":"5d43313031303430313233343531323334353631304c4f54370d","symbology":"]C1"}],"gateway":"dock-1","id":"01a20848-e33f-7e97-82d2-53ee42c37290","seq":6,"station":"dock"}',X'26EEE1DD426D579E28E8149995362579ED4ED40A02E7EBC6D3494A1E4D07E63F');
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
CREATE TABLE rejected (
    seq INTEGER PRIMARY KEY,
    code TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE TABLE session (
    place INTEGER PRIMARY KEY,
    station TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,          -- empty: it stands nowhere
    digest BLOB NOT NULL
) STRICT;
INSERT INTO "session" VALUES(1,'dock','{"document":"PO 4712"}',X'89C050FFA0527268421D62B79E1FDDAD3BF121EE729EE7930A8F617DFD1EE5EA');
CREATE TABLE stream (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch TEXT NOT NULL,
    upto INTEGER NOT NULL DEFAULT 0 CHECK (upto >= 0),    -- the bridge's ledger has all to here
    posted INTEGER NOT NULL DEFAULT 0 CHECK (posted >= 0), -- the ERP has, or refused, all to here
    conflict INTEGER,                                      -- this seq came to the bridge twice
    digest BLOB NOT NULL,                                  -- of 'epoch upto posted conflict'
    machine TEXT NOT NULL DEFAULT ''                       -- it was born on; empty: not known
) STRICT;
INSERT INTO "stream" VALUES(1,'29a81e46-8157-49a2-9adb-c4ad9156cfa6',6,6,NULL,X'C1EF4B975D832256FC55F9914ACD0589460B17612DE9F38A24FFB099B00652CC','');
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
COMMIT;
PRAGMA user_version = 2;
