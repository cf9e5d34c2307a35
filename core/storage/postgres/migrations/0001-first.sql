-- 0001: everything the hub remembers, table by table what the SQLite schema holds. Texts compare by their bytes, as there.
-- Primary keys begin with the workspace and go on with an id that sorts by time (UUIDv7): a table can be partitioned by
-- ranges of ids, or spread over machines by workspace, without another key. So nothing but a primary key is unique in
-- `responses`; the client's id is kept unique by the one writer at a time.

-- Rows that every transaction changes stand nearly alone on their pages, so that old versions are pruned in place.
-- The one row that gives out event sequences and counts what must not be counted by scanning.
CREATE TABLE log_head (
  only_row integer PRIMARY KEY CHECK (only_row = 1),
  first_seq bigint NOT NULL,
  seq bigint NOT NULL,
  responses bigint NOT NULL,
  pings bigint NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
INSERT INTO log_head (only_row, first_seq, seq, responses, pings) VALUES (1, 1, 0, 0, 0);

-- Sequences known to be missing, because an admin accepted their loss.
CREATE TABLE lost_ranges (
  from_seq bigint PRIMARY KEY,
  to_seq bigint NOT NULL,
  accepted_at text COLLATE "C" NOT NULL
);

CREATE TABLE forms (
  workspace text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  version integer NOT NULL,
  definition text COLLATE "C" NOT NULL,
  managed_by text COLLATE "C" NOT NULL,
  created_at text COLLATE "C" NOT NULL,
  updated_at text COLLATE "C" NOT NULL,
  PRIMARY KEY (workspace, id)
);

CREATE TABLE form_versions (
  workspace text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  version integer NOT NULL,
  definition text COLLATE "C" NOT NULL,
  managed_by text COLLATE "C" NOT NULL,
  created_at text COLLATE "C" NOT NULL,
  updated_at text COLLATE "C" NOT NULL,
  PRIMARY KEY (workspace, id, version)
);

CREATE TABLE responses (
  workspace text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  form_id text COLLATE "C" NOT NULL,
  form_version integer NOT NULL,
  status text COLLATE "C" NOT NULL,
  client_id text COLLATE "C",
  started_at text COLLATE "C",
  submitted_at text COLLATE "C",
  created_at text COLLATE "C" NOT NULL,
  updated_at text COLLATE "C" NOT NULL,
  meta text COLLATE "C" NOT NULL,
  data text COLLATE "C" NOT NULL,
  PRIMARY KEY (workspace, id)
);
CREATE INDEX responses_by_time ON responses (workspace, created_at, id);
CREATE INDEX responses_by_form ON responses (workspace, form_id, created_at, id);
CREATE INDEX responses_by_client ON responses (workspace, form_id, client_id) WHERE client_id IS NOT NULL;

CREATE TABLE idempotency (
  workspace text COLLATE "C" NOT NULL,
  idempotency_key text COLLATE "C" NOT NULL,
  body_hash text COLLATE "C" NOT NULL,
  response_id text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  status text COLLATE "C" NOT NULL,
  at text COLLATE "C" NOT NULL,
  expires_at_ms bigint NOT NULL,
  PRIMARY KEY (workspace, idempotency_key)
);
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at_ms);

-- `data` is null for `response.submitted` (it stands in `responses`, which is final by then) and for what was erased.
CREATE TABLE events (
  seq bigint PRIMARY KEY,
  id text COLLATE "C" NOT NULL,
  workspace text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL,
  at text COLLATE "C" NOT NULL,
  form_id text COLLATE "C",
  response_id text COLLATE "C",
  hops integer NOT NULL,
  form_version integer,
  started_at text COLLATE "C",
  meta text COLLATE "C",
  data text COLLATE "C"
);
CREATE UNIQUE INDEX events_by_id ON events (id);
CREATE INDEX events_by_workspace ON events (workspace, seq);
CREATE INDEX events_by_time ON events (workspace, at);
CREATE INDEX events_by_response ON events (workspace, response_id) WHERE response_id IS NOT NULL;
CREATE INDEX events_of_form_alone ON events (workspace, form_id)
  WHERE response_id IS NULL AND form_id IS NOT NULL AND data IS NOT NULL;

CREATE TABLE installations (
  workspace text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  plugin text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL,
  reason text COLLATE "C",
  state_since text COLLATE "C" NOT NULL,
  cursor bigint NOT NULL,
  last_success_at text COLLATE "C",
  last_failure_at text COLLATE "C",
  last_error text COLLATE "C",
  PRIMARY KEY (workspace, id)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- `input` is null when the response was deleted. `finished_at` is null exactly while it is pending or retrying.
CREATE TABLE deliveries (
  workspace text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  installation text COLLATE "C" NOT NULL,
  plugin text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  dedupe_key text COLLATE "C" NOT NULL,
  event_seq bigint,
  event_id text COLLATE "C",
  form_id text COLLATE "C",
  response_id text COLLATE "C",
  order_key text COLLATE "C",
  state text COLLATE "C" NOT NULL,
  attempts integer NOT NULL,
  schedule_step integer NOT NULL,
  due_at_ms bigint NOT NULL,
  created_at text COLLATE "C" NOT NULL,
  finished_at text COLLATE "C",
  reason text COLLATE "C",
  error_code text COLLATE "C",
  error text COLLATE "C",
  host text COLLATE "C",
  input text COLLATE "C",
  PRIMARY KEY (workspace, id)
);
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
  workspace text COLLATE "C" NOT NULL,
  installation text COLLATE "C" NOT NULL,
  pending bigint NOT NULL,
  retrying bigint NOT NULL,
  delivered bigint NOT NULL,
  dead bigint NOT NULL,
  PRIMARY KEY (workspace, installation)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

CREATE TABLE attempts (
  workspace text COLLATE "C" NOT NULL,
  delivery_id text COLLATE "C" NOT NULL,
  n integer NOT NULL,
  at text COLLATE "C" NOT NULL,
  duration_ms double precision NOT NULL,
  outcome text COLLATE "C" NOT NULL,
  error_code text COLLATE "C",
  error text COLLATE "C",
  exchanges text COLLATE "C" NOT NULL,
  logs text COLLATE "C" NOT NULL,
  PRIMARY KEY (workspace, delivery_id, n)
);

CREATE TABLE kv (
  workspace text COLLATE "C" NOT NULL,
  installation text COLLATE "C" NOT NULL,
  kv_key text COLLATE "C" NOT NULL,
  value text COLLATE "C" NOT NULL,
  expires_at_ms bigint,
  PRIMARY KEY (workspace, installation, kv_key)
);
CREATE INDEX kv_by_expiry ON kv (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

CREATE TABLE tallies (
  workspace text COLLATE "C" NOT NULL,
  installation text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  value double precision NOT NULL,
  PRIMARY KEY (workspace, installation, name)
);

CREATE TABLE schedules (
  workspace text COLLATE "C" NOT NULL,
  installation text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  last_fired_at_ms bigint NOT NULL,
  PRIMARY KEY (workspace, installation, name)
);

CREATE TABLE api_keys (
  id text COLLATE "C" PRIMARY KEY,
  workspace text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  prefix text COLLATE "C" NOT NULL,
  hash text COLLATE "C" NOT NULL UNIQUE,
  scopes text COLLATE "C" NOT NULL,
  created_at text COLLATE "C" NOT NULL,
  expires_at text COLLATE "C",
  last_used_at text COLLATE "C",
  revoked_at text COLLATE "C"
);

-- Forms whose deletion has begun; each is worked off in slices and continues after a restart. Events from `before_seq`
-- on are younger than the deletion.
CREATE TABLE erasures (
  workspace text COLLATE "C" NOT NULL,
  form_id text COLLATE "C" NOT NULL,
  before_seq bigint NOT NULL,
  PRIMARY KEY (workspace, form_id)
);

-- Ids of deleted responses, so that a run that was under way brings nothing of them back.
CREATE TABLE erased_responses (
  workspace text COLLATE "C" NOT NULL,
  response_id text COLLATE "C" NOT NULL,
  PRIMARY KEY (workspace, response_id)
);

-- The processes of this hub, and which of them runs which installation. Times are this server's own: no clock of another
-- machine decides who is alive.
CREATE TABLE hub_processes (
  id text COLLATE "C" PRIMARY KEY,
  role text COLLATE "C" NOT NULL,
  version text COLLATE "C" NOT NULL,
  -- Host, boot and pid namespace: on the same one a death is seen at once.
  place text COLLATE "C",
  pid integer NOT NULL,
  job_pool text COLLATE "C",
  -- Where other processes reach it, and what opens its door to them.
  url text COLLATE "C",
  door_key text COLLATE "C",
  -- A mark of the list of installations it could run.
  wants text COLLATE "C" NOT NULL,
  -- Checksum of the configuration it runs, and its breakers that are not closed (JSON).
  config text COLLATE "C" NOT NULL,
  breakers text COLLATE "C" NOT NULL,
  started_at timestamptz NOT NULL,
  beat_at timestamptz NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Configurations the fleet has run, by when each became the newest.
CREATE TABLE hub_configs (
  checksum text COLLATE "C" PRIMARY KEY,
  newest_at timestamptz NOT NULL
);

-- `token` grows with every owner: whoever comes back with an older one is refused.
CREATE TABLE leases (
  workspace text COLLATE "C" NOT NULL,
  installation text COLLATE "C" NOT NULL,
  owner text COLLATE "C",
  token bigint NOT NULL,
  PRIMARY KEY (workspace, installation)
);
