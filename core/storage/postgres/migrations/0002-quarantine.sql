-- 0002: responses that a transform flagged, refused or failed at wait here, apart from those that were stored.
-- `received` are the answers as they came; `data` and `meta` as far as transforms had changed them.
CREATE TABLE quarantine (
  workspace text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  form_id text COLLATE "C" NOT NULL,
  form_version integer NOT NULL,
  status text COLLATE "C" NOT NULL,
  verdict text COLLATE "C" NOT NULL,
  code text COLLATE "C" NOT NULL,
  message text COLLATE "C",
  installation text COLLATE "C" NOT NULL,
  plugin text COLLATE "C" NOT NULL,
  client_id text COLLATE "C",
  idempotency_key text COLLATE "C",
  event_id text COLLATE "C" NOT NULL,
  started_at text COLLATE "C",
  received_at text COLLATE "C" NOT NULL,
  received text COLLATE "C" NOT NULL,
  meta text COLLATE "C" NOT NULL,
  data text COLLATE "C" NOT NULL,
  PRIMARY KEY (workspace, id)
);
-- In this order: SQLite takes the first of two that look as good, and the form's is.
CREATE INDEX quarantine_by_form ON quarantine (workspace, form_id, received_at, id);
CREATE INDEX quarantine_by_time ON quarantine (workspace, received_at, id);
CREATE INDEX quarantine_by_client ON quarantine (workspace, form_id, client_id, id) WHERE client_id IS NOT NULL;
CREATE INDEX quarantine_by_verdict ON quarantine (verdict);
CREATE INDEX quarantine_by_age ON quarantine (received_at);

-- What a refused sender was told, so that a repeat is told the same: JSON {code, message}.
ALTER TABLE idempotency ADD COLUMN rejection text COLLATE "C";
-- SHA-256 of the answers as received, where a transform changed them and a repeat under a client id has to be recognised.
ALTER TABLE responses ADD COLUMN received_hash text COLLATE "C";
