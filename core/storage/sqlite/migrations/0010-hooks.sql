-- 0010: programs outside that asked to be sent events, and notes that people or programs wrote to responses.
CREATE TABLE hooks (
  workspace TEXT NOT NULL,
  id TEXT NOT NULL,
  -- The API key that it was made with.
  key_id TEXT NOT NULL,
  source TEXT NOT NULL,
  -- The subscriber's own name for it; of Zapier the id of the Zap. Null: address, event and form name it.
  zap_id TEXT,
  target_url TEXT NOT NULL,
  hub_url TEXT,
  event TEXT NOT NULL,
  form_id TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  expires_at_ms INTEGER,
  last_success_at TEXT,
  last_failure_at TEXT,
  last_reason TEXT,
  PRIMARY KEY (workspace, id)
) STRICT;
CREATE INDEX hooks_by_event ON hooks (workspace, event, id);
CREATE INDEX hooks_by_target ON hooks (workspace, target_url, id);
CREATE INDEX hooks_by_zap ON hooks (workspace, zap_id, id) WHERE zap_id IS NOT NULL;
CREATE INDEX hooks_by_key ON hooks (workspace, key_id);

CREATE TABLE response_notes (
  workspace TEXT NOT NULL,
  response_id TEXT NOT NULL,
  id TEXT NOT NULL,
  -- Name of the key that it came with.
  author TEXT NOT NULL,
  at TEXT NOT NULL,
  note TEXT NOT NULL,
  PRIMARY KEY (workspace, response_id, id)
) STRICT;
