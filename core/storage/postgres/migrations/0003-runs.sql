-- 0003: the history of runs: what a plugin did in one crossing, kept by age and by count. Nothing of a sender is in it
-- but what the plugin itself put into keys and log lines.
CREATE TABLE runs (
  workspace text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  installation text COLLATE "C" NOT NULL,
  plugin text COLLATE "C" NOT NULL,
  version text COLLATE "C" NOT NULL,
  bundle text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  attempt integer NOT NULL,
  started_at text COLLATE "C" NOT NULL,
  duration_ms double precision NOT NULL,
  cpu_ms double precision NOT NULL,
  outcome text COLLATE "C" NOT NULL,
  error_code text COLLATE "C",
  error text COLLATE "C",
  stack text COLLATE "C",
  left_out integer NOT NULL,
  more integer NOT NULL,
  effects text COLLATE "C" NOT NULL,
  requests text COLLATE "C" NOT NULL,
  logs text COLLATE "C" NOT NULL,
  PRIMARY KEY (workspace, id)
);
CREATE INDEX runs_by_installation ON runs (workspace, installation, id);
CREATE INDEX runs_failed ON runs (workspace, id) WHERE outcome = 'failed';

-- What each was about, an entry for each item of a batch.
CREATE TABLE run_items (
  workspace text COLLATE "C" NOT NULL,
  run_id text COLLATE "C" NOT NULL,
  n integer NOT NULL,
  event_id text COLLATE "C",
  delivery_id text COLLATE "C",
  form_id text COLLATE "C",
  response_id text COLLATE "C",
  outcome text COLLATE "C",
  PRIMARY KEY (workspace, run_id, n)
);
CREATE INDEX run_items_by_event ON run_items (workspace, event_id) WHERE event_id IS NOT NULL;
CREATE INDEX run_items_by_delivery ON run_items (workspace, delivery_id) WHERE delivery_id IS NOT NULL;
CREATE INDEX run_items_by_response ON run_items (workspace, response_id) WHERE response_id IS NOT NULL;
CREATE INDEX run_items_of_form_alone ON run_items (workspace, form_id)
  WHERE response_id IS NULL AND form_id IS NOT NULL;

