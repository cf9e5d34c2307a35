-- 0002: responses that a transform flagged, refused or failed at wait here, apart from those that were stored.
-- `received` are the answers as they came; `data` and `meta` as far as transforms had changed them.
CREATE TABLE quarantine (
  workspace TEXT NOT NULL,
  id TEXT NOT NULL,
  form_id TEXT NOT NULL,
  form_version INTEGER NOT NULL,
  status TEXT NOT NULL,
  verdict TEXT NOT NULL,
  code TEXT NOT NULL,
  message TEXT,
  installation TEXT NOT NULL,
  plugin TEXT NOT NULL,
  client_id TEXT,
  idempotency_key TEXT,
  event_id TEXT NOT NULL,
  started_at TEXT,
  received_at TEXT NOT NULL,
  received TEXT NOT NULL,
  meta TEXT NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (workspace, id)
) STRICT;
-- In this order: SQLite takes the first of two that look as good, and the form's is.
CREATE INDEX quarantine_by_form ON quarantine (workspace, form_id, received_at, id);
CREATE INDEX quarantine_by_time ON quarantine (workspace, received_at, id);
CREATE INDEX quarantine_by_client ON quarantine (workspace, form_id, client_id, id) WHERE client_id IS NOT NULL;
CREATE INDEX quarantine_by_verdict ON quarantine (verdict);
CREATE INDEX quarantine_by_age ON quarantine (received_at);

-- What a refused sender was told, so that a repeat is told the same: JSON {code, message}.
ALTER TABLE idempotency ADD COLUMN rejection TEXT;
-- SHA-256 of the answers as received, where a transform changed them and a repeat under a client id has to be recognised.
ALTER TABLE responses ADD COLUMN received_hash TEXT;
