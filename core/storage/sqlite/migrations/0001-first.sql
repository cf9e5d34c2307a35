-- 0001: everything the hub remembers. Times are RFC 3339 text, waiting times are unix ms, JSON is text.
-- Indexes on ids and times only grow at their right edge (ids are UUIDv7), so an insert costs the same at any size.

-- The one row that gives out event sequences and counts what must not be counted by scanning.
CREATE TABLE log_head (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  first_seq INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  responses INTEGER NOT NULL,
  pings INTEGER NOT NULL
) STRICT;
INSERT INTO log_head (only_row, first_seq, seq, responses, pings) VALUES (1, 1, 0, 0, 0);

-- Sequences known to be missing, because an admin accepted their loss.
CREATE TABLE lost_ranges (
  from_seq INTEGER PRIMARY KEY,
  to_seq INTEGER NOT NULL,
  accepted_at TEXT NOT NULL
) STRICT;

CREATE TABLE forms (
  workspace TEXT NOT NULL,
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  definition TEXT NOT NULL,
  managed_by TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  PRIMARY KEY (workspace, id)
) STRICT;

CREATE TABLE form_versions (
  workspace TEXT NOT NULL,
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  definition TEXT NOT NULL,
  managed_by TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  PRIMARY KEY (workspace, id, version)
) STRICT;

CREATE TABLE responses (
  workspace TEXT NOT NULL,
  id TEXT NOT NULL,
  form_id TEXT NOT NULL,
  form_version INTEGER NOT NULL,
  status TEXT NOT NULL,
  client_id TEXT,
  started_at TEXT,
  submitted_at TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  meta TEXT NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (workspace, id)
) STRICT;
CREATE INDEX responses_by_time ON responses (workspace, created_at, id);
CREATE INDEX responses_by_form ON responses (workspace, form_id, created_at, id);
CREATE UNIQUE INDEX responses_by_client ON responses (workspace, form_id, client_id) WHERE client_id IS NOT NULL;

CREATE TABLE idempotency (
  workspace TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  body_hash TEXT NOT NULL,
  response_id TEXT NOT NULL,
  event_id TEXT NOT NULL,
  status TEXT NOT NULL,
  at TEXT NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  PRIMARY KEY (workspace, idempotency_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at_ms);

-- `data` is null for `response.submitted` (it stands in `responses`, which is final by then) and for what was erased.
CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  workspace TEXT NOT NULL,
  type TEXT NOT NULL,
  at TEXT NOT NULL,
  form_id TEXT,
  response_id TEXT,
  hops INTEGER NOT NULL,
  form_version INTEGER,
  started_at TEXT,
  meta TEXT,
  data TEXT
) STRICT;
CREATE UNIQUE INDEX events_by_id ON events (id);
CREATE INDEX events_by_workspace ON events (workspace, seq);
CREATE INDEX events_by_time ON events (workspace, at);
CREATE INDEX events_by_response ON events (workspace, response_id) WHERE response_id IS NOT NULL;
CREATE INDEX events_of_form_alone ON events (workspace, form_id)
  WHERE response_id IS NULL AND form_id IS NOT NULL AND data IS NOT NULL;

CREATE TABLE installations (
  workspace TEXT NOT NULL,
  id TEXT NOT NULL,
  plugin TEXT NOT NULL,
  state TEXT NOT NULL,
  reason TEXT,
  state_since TEXT NOT NULL,
  cursor INTEGER NOT NULL,
  last_success_at TEXT,
  last_failure_at TEXT,
  last_error TEXT,
  PRIMARY KEY (workspace, id)
) STRICT, WITHOUT ROWID;

-- `input` is null when the response was deleted. `finished_at` is null exactly while it is pending or retrying.
CREATE TABLE deliveries (
  workspace TEXT NOT NULL,
  id TEXT NOT NULL,
  installation TEXT NOT NULL,
  plugin TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  dedupe_key TEXT NOT NULL,
  event_seq INTEGER,
  event_id TEXT,
  form_id TEXT,
  response_id TEXT,
  order_key TEXT,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  schedule_step INTEGER NOT NULL,
  due_at_ms INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  finished_at TEXT,
  reason TEXT,
  error_code TEXT,
  error TEXT,
  host TEXT,
  input TEXT,
  PRIMARY KEY (workspace, id)
) STRICT;
CREATE UNIQUE INDEX deliveries_by_key ON deliveries (workspace, installation, dedupe_key);
-- `finished_at` stands in them only to spare the look at the row.
CREATE INDEX deliveries_due ON deliveries (workspace, installation, due_at_ms, id, finished_at) WHERE finished_at IS NULL;
CREATE INDEX deliveries_in_order ON deliveries (workspace, installation, order_key, id, finished_at)
  WHERE finished_at IS NULL AND order_key IS NOT NULL;
CREATE INDEX deliveries_by_time ON deliveries (workspace, created_at, id);
CREATE INDEX deliveries_by_installation ON deliveries (workspace, installation, created_at, id);
CREATE INDEX deliveries_dead ON deliveries (workspace, created_at, id) WHERE state = 'dead';
CREATE INDEX deliveries_dead_of_one ON deliveries (workspace, installation, created_at, id) WHERE state = 'dead';
CREATE INDEX deliveries_by_response ON deliveries (workspace, response_id) WHERE response_id IS NOT NULL;
CREATE INDEX deliveries_of_form_alone ON deliveries (workspace, form_id)
  WHERE response_id IS NULL AND form_id IS NOT NULL AND input IS NOT NULL;
CREATE INDEX deliveries_of_event_alone ON deliveries (workspace, event_id)
  WHERE response_id IS NULL AND event_id IS NOT NULL;

-- What `deliveries` would answer to GROUP BY installation, state; kept by the procedures that change a state.
CREATE TABLE lane_counts (
  workspace TEXT NOT NULL,
  installation TEXT NOT NULL,
  pending INTEGER NOT NULL,
  retrying INTEGER NOT NULL,
  delivered INTEGER NOT NULL,
  dead INTEGER NOT NULL,
  PRIMARY KEY (workspace, installation)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempts (
  workspace TEXT NOT NULL,
  delivery_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  at TEXT NOT NULL,
  duration_ms REAL NOT NULL,
  outcome TEXT NOT NULL,
  error_code TEXT,
  error TEXT,
  exchanges TEXT NOT NULL,
  logs TEXT NOT NULL,
  PRIMARY KEY (workspace, delivery_id, n)
) STRICT;

CREATE TABLE kv (
  workspace TEXT NOT NULL,
  installation TEXT NOT NULL,
  kv_key TEXT NOT NULL,
  value TEXT NOT NULL,
  expires_at_ms INTEGER,
  PRIMARY KEY (workspace, installation, kv_key)
) STRICT;
CREATE INDEX kv_by_expiry ON kv (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

CREATE TABLE tallies (
  workspace TEXT NOT NULL,
  installation TEXT NOT NULL,
  name TEXT NOT NULL,
  value REAL NOT NULL,
  PRIMARY KEY (workspace, installation, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE schedules (
  workspace TEXT NOT NULL,
  installation TEXT NOT NULL,
  name TEXT NOT NULL,
  last_fired_at_ms INTEGER NOT NULL,
  PRIMARY KEY (workspace, installation, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
  id TEXT PRIMARY KEY,
  workspace TEXT NOT NULL,
  name TEXT NOT NULL,
  prefix TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  scopes TEXT NOT NULL,
  created_at TEXT NOT NULL,
  expires_at TEXT,
  last_used_at TEXT,
  revoked_at TEXT
) STRICT, WITHOUT ROWID;

-- Forms whose deletion has begun; each is worked off in slices and continues after a restart. Events from `before_seq`
-- on are younger than the deletion.
CREATE TABLE erasures (
  workspace TEXT NOT NULL,
  form_id TEXT NOT NULL,
  before_seq INTEGER NOT NULL,
  PRIMARY KEY (workspace, form_id)
) STRICT, WITHOUT ROWID;

-- Ids of deleted responses, so that a run that was under way brings nothing of them back.
CREATE TABLE erased_responses (
  workspace TEXT NOT NULL,
  response_id TEXT NOT NULL,
  PRIMARY KEY (workspace, response_id)
) STRICT, WITHOUT ROWID;

-- What a large installation looks like, so that queries are planned for it from the first day and never replanned:
-- rows of the index, then how many share its first column, its first two, ...
ANALYZE;
DELETE FROM sqlite_stat1;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('responses', 'sqlite_autoindex_responses_1', '1000000 500000 1'),
  ('responses', 'responses_by_time', '1000000 500000 2 1'),
  ('responses', 'responses_by_form', '1000000 500000 5000 2 1'),
  ('responses', 'responses_by_client', '100000 10000 1000 1'),
  ('events', 'events_by_id', '1000000 1'),
  ('events', 'events_by_workspace', '1000000 500000 1'),
  ('events', 'events_by_time', '1000000 500000 2'),
  ('events', 'events_by_response', '1000000 500000 2'),
  ('events', 'events_of_form_alone', '10000 1000 500'),
  ('deliveries', 'sqlite_autoindex_deliveries_1', '1000000 500000 1'),
  ('deliveries', 'deliveries_by_key', '1000000 500000 20000 1'),
  ('deliveries', 'deliveries_due', '1000 200 50 2 1 1'),
  ('deliveries', 'deliveries_in_order', '500 100 50 5 1 1'),
  ('deliveries', 'deliveries_by_time', '1000000 500000 2 1'),
  ('deliveries', 'deliveries_by_installation', '1000000 500000 200000 2 1'),
  ('deliveries', 'deliveries_dead', '1000 200 2 1'),
  ('deliveries', 'deliveries_dead_of_one', '1000 200 50 2 1'),
  ('deliveries', 'deliveries_by_response', '1000000 500000 3'),
  ('deliveries', 'deliveries_of_form_alone', '1000 200 100'),
  ('deliveries', 'deliveries_of_event_alone', '10000 1000 3'),
  ('attempts', 'sqlite_autoindex_attempts_1', '1000000 500000 2 1');
ANALYZE sqlite_schema;
