BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0004');
CREATE TABLE amendment (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	entry INTEGER NOT NULL, 
	changes TEXT NOT NULL, 
	CONSTRAINT fk_amendment_entry FOREIGN KEY(entry) REFERENCES entry (number)
);
CREATE TABLE attempt (
	entry INTEGER NOT NULL, 
	count INTEGER NOT NULL, 
	round VARCHAR(40) NOT NULL, 
	began_at DATETIME NOT NULL, 
	ended_at DATETIME, 
	outcome VARCHAR(8), 
	text VARCHAR(500), 
	mapping VARCHAR(64), 
	translated TEXT, 
	wire TEXT, 
	CONSTRAINT pk_attempt PRIMARY KEY (entry, count), 
	CONSTRAINT fk_attempt_entry FOREIGN KEY(entry) REFERENCES entry (number)
);
CREATE TABLE audit (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at VARCHAR(32) NOT NULL, 
	who VARCHAR(100) NOT NULL, 
	what VARCHAR(32) NOT NULL, 
	entry BIGINT, 
	detail TEXT NOT NULL, 
	previous VARCHAR(64) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	CONSTRAINT uq_audit_previous UNIQUE (previous)
);
INSERT INTO "audit" VALUES(1,'2026-11-23T14:23:59.109904+00:00','bridge-1','config',NULL,'{"version":"1"}','0000000000000000000000000000000000000000000000000000000000000000','8ec0f1c776716d197ebb4b1c505c6374b7c0a4418e28262b069a253a130b2cba');
INSERT INTO "audit" VALUES(2,'2026-11-23T14:23:59.113597+00:00','bridge-1','config',NULL,'{"version":"2"}','8ec0f1c776716d197ebb4b1c505c6374b7c0a4418e28262b069a253a130b2cba','6f7f12b2c0ddd729f61d6ccaeddc7c5bb9eeb3768d6dff3c8fc3078bbdcd0398');
CREATE TABLE boot (
	gateway VARCHAR(32) NOT NULL, 
	boot VARCHAR(36) NOT NULL, 
	began_at DATETIME NOT NULL, 
	CONSTRAINT pk_boot PRIMARY KEY (gateway, boot)
);
CREATE TABLE budget (
	target VARCHAR(64) NOT NULL, 
	day VARCHAR(10) NOT NULL, 
	calls BIGINT NOT NULL, 
	CONSTRAINT pk_budget PRIMARY KEY (target, day)
);
CREATE TABLE entry (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	stream INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	id VARCHAR(36), 
	digest VARCHAR(64) NOT NULL, 
	body TEXT NOT NULL, 
	type VARCHAR(32), 
	station VARCHAR(32), 
	turns TEXT NOT NULL, 
	received_at DATETIME NOT NULL, 
	state VARCHAR(8) NOT NULL, 
	attempts INTEGER NOT NULL, 
	next_try DATETIME, 
	document TEXT, 
	code VARCHAR(16), 
	text VARCHAR(500), 
	decided_at DATETIME, 
	CONSTRAINT ck_entry_code CHECK ((state = 'dead') = (code IS NOT NULL)), 
	CONSTRAINT ck_entry_decided CHECK ((state IN ('posted', 'dead')) = (decided_at IS NOT NULL)), 
	CONSTRAINT ck_entry_state CHECK (state IN ('received', 'sending', 'posted', 'dead')), 
	CONSTRAINT fk_entry_stream FOREIGN KEY(stream) REFERENCES stream (id), 
	CONSTRAINT uq_entry_id UNIQUE (id), 
	CONSTRAINT uq_entry_stream_seq UNIQUE (stream, seq)
);
INSERT INTO "entry" VALUES(1,1,1,'01a20848-cbcd-7ea9-8502-8a1b045b02e6','41abf59abd722751bde961e3c36db130107bc09c19b18cc13bfa74c28ac961de','{"clock":{"boot":"2e7f2596-7405-4fc5-b33c-1574c3f70150","monotonic":"4600.737410","synchronised":false,"wall":"2026-11-23T12:01:58.221055Z"},"epoch":"29a81e46-8157-49a2-9adb-c4ad9156cfa6","event":{"documents":[{"kind":"po","number":"4711"}],"lines":[{"item":{"gtin":"04006381333931"},"quantity":{"unit":"EA","value":"1"}}],"to_location":"DOCK-1","type":"receipt"},"evidence":[{"device":"scanner","kind":"scan","raw":"5d4530343030363338313333333933310d","symbology":"]E0"}],"gateway":"dock-1","id":"01a20848-cbcd-7ea9-8502-8a1b045b02e6","seq":1,"station":"dock"}','receipt','dock','["document 4711"]','2026-11-23 12:01:58.248458','posted',1,NULL,'',NULL,NULL,'2026-11-23 12:01:58.318109');
INSERT INTO "entry" VALUES(2,1,2,'01a20848-cfb5-7ea0-9a2c-bc4820d41db8','49cc1df72c58755db25998207845e4a5c4151f11f2373f83c884d0d0c09e1209','{"clock":{"boot":"2e7f2596-7405-4fc5-b33c-1574c3f70150","monotonic":"4601.738107","synchronised":false,"wall":"2026-11-23T12:01:59.221750Z"},"epoch":"29a81e46-8157-49a2-9adb-c4ad9156cfa6","event":{"documents":[{"kind":"po","number":"4711"}],"lines":[{"item":{"gtin":"04012345123456"},"lot":"LOT7","quantity":{"unit":"EA","value":"1"}}],"to_location":"DOCK-1","type":"receipt"},"evidence":[{"device":"scanner","kind":"scan","raw":"5d43313031303430313233343531323334353631304c4f54370d","symbology":"]C1"}],"gateway":"dock-1","id":"01a20848-cfb5-7ea0-9a2c-bc4820d41db8","seq":2,"station":"dock"}','receipt','dock','["document 4711"]','2026-11-23 12:01:59.225308','posted',1,NULL,'',NULL,NULL,'2026-11-23 12:01:59.245240');
INSERT INTO "entry" VALUES(3,1,3,'01a20848-d39d-7b38-8cc7-9d83219c11fb','0265e21cbe488e8955c5877bcdd78e9958d2c9dae95b443252e44aafa3e0536e','{"clock":{"boot":"2e7f2596-7405-4fc5-b33c-1574c3f70150","monotonic":"4602.737697","synchronised":false,"wall":"2026-11-23T12:02:00.221341Z"},"epoch":"29a81e46-8157-49a2-9adb-c4ad9156cfa6","event":{"documents":[{"kind":"po","number":"4711"}],"lines":[{"item":{"gtin":"04012345123456"},"quantity":{"unit":"EA","value":"12"}}],"to_location":"DOCK-1","type":"receipt"},"evidence":[{"device":"scanner","kind":"scan","raw":"5d433130323034303132333435313233343536333731320d","symbology":"]C1"}],"gateway":"dock-1","id":"01a20848-d39d-7b38-8cc7-9d83219c11fb","seq":3,"station":"dock"}','receipt','dock','["document 4711"]','2026-11-23 12:02:00.225116','posted',1,NULL,'',NULL,NULL,'2026-11-23 12:02:00.244930');
INSERT INTO "entry" VALUES(4,1,4,'01a20848-d496-7636-b45b-051d8d1a9771','97e5c06ef8960a2c7cdbe92f8422de2968f2e08319a98dbdda4d206b9e46f0ef','{"clock":{"boot":"2e7f2596-7405-4fc5-b33c-1574c3f70150","monotonic":"4602.986996","synchronised":false,"wall":"2026-11-23T12:02:00.470641Z"},"epoch":"29a81e46-8157-49a2-9adb-c4ad9156cfa6","event":{"documents":[{"kind":"po","number":"4711"}],"item":{"gtin":"04012345123456"},"type":"weighing","weight":{"unit":"kg","unit_code":"KGM","value":"11.250"}},"evidence":[{"device":"scale","kind":"weight","raw":"532053202020202031312e323530206b670d"}],"gateway":"dock-1","id":"01a20848-d496-7636-b45b-051d8d1a9771","seq":4,"station":"dock"}','weighing','dock','["document 4711"]','2026-11-23 12:02:00.474594','posted',1,NULL,'',NULL,NULL,'2026-11-23 12:02:00.493417');
INSERT INTO "entry" VALUES(5,1,5,'01a20848-df57-7714-9fb3-38b34a62b42a','85713d600594484164b3df9b1e5bab9279180961c1edb4e26482d38443c7afd7','{"clock":{"boot":"2e7f2596-7405-4fc5-b33c-1574c3f70150","monotonic":"4605.739584","synchronised":false,"wall":"2026-11-23T12:02:03.223228Z"},"epoch":"29a81e46-8157-49a2-9adb-c4ad9156cfa6","event":{"documents":[{"kind":"po","number":"4712"}],"lines":[{"item":{"gtin":"04006381333931"},"quantity":{"unit":"EA","value":"1"}}],"to_location":"DOCK-1","type":"receipt"},"evidence":[{"device":"scanner","kind":"scan","raw":"5d4530343030363338313333333933310d","symbology":"]E0"}],"gateway":"dock-1","id":"01a20848-df57-7714-9fb3-38b34a62b42a","seq":5,"station":"dock"}','receipt','dock','["document 4712"]','2026-11-23 12:02:03.226975','posted',1,NULL,'',NULL,NULL,'2026-11-23 12:02:03.245788');
INSERT INTO "entry" VALUES(6,1,6,'01a20848-e33f-7e97-82d2-53ee42c37290','26eee1dd426d579e28e8149995362579ed4ed40a02e7ebc6d3494a1e4d07e63f','{"clock":{"boot":"2e7f2596-7405-4fc5-b33c-1574c3f70150","monotonic":"4606.740237","synchronised":false,"wall":"2026-11-23T12:02:04.223882Z"},"epoch":"29a81e46-8157-49a2-9adb-c4ad9156cfa6","event":{"documents":[{"kind":"po","number":"4712"}],"lines":[{"item":{"gtin":"04012345123456"},"lot":"LOT7","quantity":{"unit":"EA","value":"1"}}],"to_location":"DOCK-1","type":"receipt"},"evidence":[{"device":"scanner","kind":"scan","raw":"5d43313031303430313233343531323334353631304c4f54370d","symbology":"]C1"}],"gateway":"dock-1","id":"01a20848-e33f-7e97-82d2-53ee42c37290","seq":6,"station":"dock"}','receipt','dock','["document 4712"]','2026-11-23 12:02:04.227172','posted',1,NULL,'',NULL,NULL,'2026-11-23 12:02:04.241467');
CREATE TABLE finding (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	target VARCHAR(64) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	subject VARCHAR(300) NOT NULL, 
	entry BIGINT, 
	detail TEXT NOT NULL, 
	fingerprint VARCHAR(64) NOT NULL, 
	opened_at DATETIME NOT NULL, 
	last_seen DATETIME NOT NULL, 
	gone_at DATETIME, 
	closed_at DATETIME, 
	closed_by VARCHAR(100), 
	why VARCHAR(500)
);
CREATE TABLE lease (
	target VARCHAR(64) NOT NULL, 
	holder VARCHAR(64) NOT NULL, 
	expires_at DATETIME NOT NULL, 
	CONSTRAINT pk_lease PRIMARY KEY (target)
);
CREATE TABLE mode (
	gateway VARCHAR(32) NOT NULL, 
	station VARCHAR(32) NOT NULL, 
	type VARCHAR(32) NOT NULL, 
	mode VARCHAR(8) NOT NULL, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_mode PRIMARY KEY (gateway, station, type)
);
CREATE TABLE parked (
	stream INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	body TEXT NOT NULL, 
	CONSTRAINT pk_parked PRIMARY KEY (stream, seq), 
	CONSTRAINT fk_parked_stream FOREIGN KEY(stream) REFERENCES stream (id)
);
CREATE TABLE "plan" (
	entry INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	mapping VARCHAR(64), 
	calls TEXT NOT NULL, 
	code VARCHAR(16), 
	text VARCHAR(500), 
	CONSTRAINT pk_plan PRIMARY KEY (entry), 
	CONSTRAINT fk_plan_entry FOREIGN KEY(entry) REFERENCES entry (number)
);
CREATE TABLE poison (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	received_at DATETIME NOT NULL, 
	topic VARCHAR(256) NOT NULL, 
	reason VARCHAR(500) NOT NULL, 
	size INTEGER NOT NULL, 
	payload BLOB NOT NULL
);
CREATE TABLE reconciliation (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	target VARCHAR(64) NOT NULL, 
	began_at DATETIME NOT NULL, 
	ended_at DATETIME NOT NULL, 
	since DATETIME NOT NULL, 
	errors TEXT NOT NULL, 
	entries INTEGER NOT NULL, 
	documents INTEGER, 
	levels INTEGER, 
	drifting INTEGER, 
	stock_from DATETIME, 
	stock_to DATETIME
);
CREATE TABLE repeat (
	stream INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	entry INTEGER NOT NULL, 
	CONSTRAINT pk_repeat PRIMARY KEY (stream, seq), 
	CONSTRAINT fk_repeat_entry FOREIGN KEY(entry) REFERENCES entry (number), 
	CONSTRAINT fk_repeat_stream FOREIGN KEY(stream) REFERENCES stream (id)
);
CREATE TABLE stock_level (
	target VARCHAR(64) NOT NULL, 
	item VARCHAR(128) NOT NULL, 
	location VARCHAR(128) NOT NULL, 
	unit VARCHAR(16) NOT NULL, 
	expected TEXT NOT NULL, 
	read_from DATETIME, 
	read_to DATETIME, 
	CONSTRAINT pk_stock_level PRIMARY KEY (target, item, location, unit)
);
CREATE TABLE stream (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	site VARCHAR(32) NOT NULL, 
	gateway VARCHAR(32) NOT NULL, 
	epoch VARCHAR(36) NOT NULL, 
	upto BIGINT NOT NULL, 
	"conflict" BIGINT, 
	forgiven BIGINT NOT NULL, 
	first_seen DATETIME NOT NULL, 
	last_seen DATETIME NOT NULL, 
	gap_since DATETIME, 
	CONSTRAINT uq_stream_gateway_epoch UNIQUE (gateway, epoch)
);
INSERT INTO "stream" VALUES(1,'compose','dock-1','29a81e46-8157-49a2-9adb-c4ad9156cfa6',6,NULL,0,'2026-11-23 12:01:58.248458','2026-11-23 12:02:04.227172',NULL);
CREATE TABLE uptime (
	bridge VARCHAR(32) NOT NULL, 
	hour DATETIME NOT NULL, 
	alive_s INTEGER NOT NULL, 
	target_s INTEGER NOT NULL, 
	CONSTRAINT pk_uptime PRIMARY KEY (bridge, hour)
);
CREATE INDEX ix_entry_dead ON entry (stream, seq) WHERE code IS NOT NULL;
CREATE INDEX ix_entry_open ON entry (stream, seq) WHERE decided_at IS NULL;
CREATE INDEX ix_entry_undecided ON entry (number) WHERE decided_at IS NULL;
CREATE INDEX ix_amendment_entry ON amendment (entry);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;
CREATE INDEX ix_repeat_entry ON repeat (stream, entry);
CREATE UNIQUE INDEX ix_finding_open ON finding (target, kind, subject) WHERE closed_at IS NULL;
CREATE INDEX ix_finding_subject ON finding (target, subject);
CREATE INDEX ix_entry_received ON entry (received_at);
CREATE INDEX ix_entry_decided ON entry (decided_at, received_at, code);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('stream',1);
INSERT INTO "sqlite_sequence" VALUES('entry',6);
INSERT INTO "sqlite_sequence" VALUES('audit',2);
COMMIT;
