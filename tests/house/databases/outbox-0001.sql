BEGIN TRANSACTION;
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY CHECK (seq >= 1),
    body TEXT NOT NULL
) STRICT;
INSERT INTO "outbox" VALUES(1,'{"clock":{"boot":"2e7f2596-7405-4fc5-b33c-1574c3f70150","monotonic":"4600.737410","synchronised":false,"wall":"2026-11-23T12:01:58.221055Z"},"epoch":"29a81e46-8157-49a2-9adb-c4ad9156cfa6","event":{"documents":[{"kind":"po","number":"4711"}],"lines":[{"item":{"gtin":"04006381333931"},"quantity":{"unit":"EA","value":"1"}}],"to_location":"DOCK-1","type":"receipt"},"evidence":[{"device":"scanner","kind":"scan","raw":"5d4530343030363338313333333933310d","symbology":"]E0"}],"gateway":"dock-1","id":"01a20848-cbcd-7ea9-8502-8a1b045b02e6","seq":1,"station":"dock"}');
INSERT INTO "outbox" VALUES(2,'{"clock":{"boot":"2e7f2596-7405-4fc5-b33c-1574c3f70150","monotonic":"4601.738107","synchronised":false,"wall":"2026-11-23T12:01:59.221750Z"},"epoch":"29a81e46-8157-49a2-9adb-c4ad9156cfa6","event":{"documents":[{"kind":"po","number":"4711"}],"lines":[{"item":{"gtin":"04012345123456"},"lot":"LOT7","quantity":{"unit":"EA","value":"1"}}],"to_location":"DOCK-1","type":"receipt"},"evidence":[{"device":"scanner","kind":"scan","raw":"5d43313031303430313233343531323334353631304c4f54370d","symbology":"]C1"}],"gateway":"dock-1","id":"01a20848-cfb5-7ea0-9a2c-bc4820d41db8","seq":2,"station":"dock"}');
INSERT INTO "outbox" VALUES(3,'{"clock":{"boot":"2e7f2596-7405-4fc5-b33c-1574c3f70150","monotonic":"4602.737697","synchronised":false,"wall":"2026-11-23T12:02:00.221341Z"},"epoch":"29a81e46-8157-49a2-9adb-c4ad9156cfa6","event":{"documents":[{"kind":"po","number":"4711"}],"lines":[{"item":{"gtin":"04012345123456"},"quantity":{"unit":"EA","value":"12"}}],"to_location":"DOCK-1","type":"receipt"},"evidence":[{"device":"scanner","kind":"scan","raw":"5d433130323034303132333435313233343536333731320d","symbology":"]C1"}],"gateway":"dock-1","id":"01a20848-d39d-7b38-8cc7-9d83219c11fb","seq":3,"station":"dock"}');
INSERT INTO "outbox" VALUES(4,'{"clock":{"boot":"2e7f2596-7405-4fc5-b33c-1574c3f70150","monotonic":"4602.986996","synchronised":false,"wall":"2026-11-23T12:02:00.470641Z"},"epoch":"29a81e46-8157-49a2-9adb-c4ad9156cfa6","event":{"documents":[{"kind":"po","number":"4711"}],"item":{"gtin":"04012345123456"},"type":"weighing","weight":{"unit":"kg","unit_code":"KGM","value":"11.250"}},"evidence":[{"device":"scale","kind":"weight","raw":"532053202020202031312e323530206b670d"}],"gateway":"dock-1","id":"01a20848-d496-7636-b45b-051d8d1a9771","seq":4,"station":"dock"}');
INSERT INTO "outbox" VALUES(5,'{"clock":{"boot":"2e7f2596-7405-4fc5-b33c-1574c3f70150","monotonic":"4605.739584","synchronised":false,"wall":"2026-11-23T12:02:03.223228Z"},"epoch":"29a81e46-8157-49a2-9adb-c4ad9156cfa6","event":{"documents":[{"kind":"po","number":"4712"}],"lines":[{"item":{"gtin":"04006381333931"},"quantity":{"unit":"EA","value":"1"}}],"to_location":"DOCK-1","type":"receipt"},"evidence":[{"device":"scanner","kind":"scan","raw":"5d4530343030363338313333333933310d","symbology":"]E0"}],"gateway":"dock-1","id":"01a20848-df57-7714-9fb3-38b34a62b42a","seq":5,"station":"dock"}');
INSERT INTO "outbox" VALUES(6,'{"clock":{"boot":"2e7f2596-7405-4fc5-b33c-1574c3f70150","monotonic":"4606.740237","synchronised":false,"wall":"2026-11-23T12:02:04.223882Z"},"epoch":"29a81e46-8157-49a2-9adb-c4ad9156cfa6","event":{"documents":[{"kind":"po","number":"4712"}],"lines":[{"item":{"gtin":"04012345123456"},"lot":"LOT7","quantity":{"unit":"EA","value":"1"}}],"to_location":"DOCK-1","type":"receipt"},"evidence":[{"device":"scanner","kind":"scan","raw":"5d43313031303430313233343531323334353631304c4f54370d","symbology":"]C1"}],"gateway":"dock-1","id":"01a20848-e33f-7e97-82d2-53ee42c37290","seq":6,"station":"dock"}');
CREATE TABLE rejected (
    seq INTEGER PRIMARY KEY,
    code TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE TABLE stream (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch TEXT NOT NULL,
    upto INTEGER NOT NULL DEFAULT 0 CHECK (upto >= 0),    -- the bridge's ledger has all to here
    posted INTEGER NOT NULL DEFAULT 0 CHECK (posted >= 0), -- the ERP has, or refused, all to here
    conflict INTEGER                                       -- this seq came to the bridge twice
) STRICT;
INSERT INTO "stream" VALUES(1,'29a81e46-8157-49a2-9adb-c4ad9156cfa6',6,6,NULL);
COMMIT;
PRAGMA user_version = 1;
