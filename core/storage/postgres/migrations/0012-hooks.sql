-- 0012: programs outside that asked to be sent events, and notes that people or programs wrote to responses.
CREATE TABLE hooks (
  workspace text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  -- The API key that it was made with.
  key_id text COLLATE "C" NOT NULL,
  source text COLLATE "C" NOT NULL,
  -- The subscriber's own name for it; of Zapier the id of the Zap. Null: address, event and form name it.
  zap_id text COLLATE "C",
  target_url text COLLATE "C" NOT NULL,
  hub_url text COLLATE "C",
  event text COLLATE "C" NOT NULL,
  form_id text COLLATE "C",
  created_at text COLLATE "C" NOT NULL,
  updated_at text COLLATE "C" NOT NULL,
  expires_at_ms bigint,
  last_success_at text COLLATE "C",
  last_failure_at text COLLATE "C",
  last_reason text COLLATE "C",
  PRIMARY KEY (workspace, id)
);
CREATE INDEX hooks_by_event ON hooks (workspace, event, id);
CREATE INDEX hooks_by_target ON hooks (workspace, target_url, id);
CREATE INDEX hooks_by_zap ON hooks (workspace, zap_id, id) WHERE zap_id IS NOT NULL;
CREATE INDEX hooks_by_key ON hooks (workspace, key_id);

CREATE TABLE response_notes (
  workspace text COLLATE "C" NOT NULL,
  response_id text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  -- Name of the key that it came with.
  author text COLLATE "C" NOT NULL,
  at text COLLATE "C" NOT NULL,
  note text COLLATE "C" NOT NULL,
  PRIMARY KEY (workspace, response_id, id)
);
