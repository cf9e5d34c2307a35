-- 0003: the history of runs: what a plugin did in one crossing, kept by age and by count. Nothing of a sender is in it
-- but what the plugin itself put into keys and log lines.
CREATE TABLE runs (
  workspace TEXT NOT NULL,
  id TEXT NOT NULL,
  installation TEXT NOT NULL,
  plugin TEXT NOT NULL,
  version TEXT NOT NULL,
  bundle TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  started_at TEXT NOT NULL,
  duration_ms REAL NOT NULL,
  cpu_ms REAL NOT NULL,
  outcome TEXT NOT NULL,
  error_code TEXT,
  error TEXT,
  stack TEXT,
  left_out INTEGER NOT NULL,
  more INTEGER NOT NULL,
  effects TEXT NOT NULL,
  requests TEXT NOT NULL,
  logs TEXT NOT NULL,
  PRIMARY KEY (workspace, id)
) STRICT;
CREATE INDEX runs_by_installation ON runs (workspace, installation, id);
CREATE INDEX runs_failed ON runs (workspace, id) WHERE outcome = 'failed';

-- What each was about, an entry for each item of a batch.
CREATE TABLE run_items (
  workspace TEXT NOT NULL,
  run_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  event_id TEXT,
  delivery_id TEXT,
  form_id TEXT,
  response_id TEXT,
  outcome TEXT,
  PRIMARY KEY (workspace, run_id, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_items_by_event ON run_items (workspace, event_id) WHERE event_id IS NOT NULL;
CREATE INDEX run_items_by_delivery ON run_items (workspace, delivery_id) WHERE delivery_id IS NOT NULL;
CREATE INDEX run_items_by_response ON run_items (workspace, response_id) WHERE response_id IS NOT NULL;
CREATE INDEX run_items_of_form_alone ON run_items (workspace, form_id)
  WHERE response_id IS NULL AND form_id IS NOT NULL;

-- As in 0001: planned for a full history from the first day.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('runs', 'sqlite_autoindex_runs_1', '20000 10000 1'),
  ('runs', 'runs_by_installation', '20000 10000 1000 1'),
  ('runs', 'runs_failed', '1000 500 1'),
  ('run_items', 'run_items', '40000 20000 2 1'),
  ('run_items', 'run_items_by_event', '40000 20000 3'),
  ('run_items', 'run_items_by_delivery', '40000 20000 2'),
  ('run_items', 'run_items_by_response', '40000 20000 3'),
  ('run_items', 'run_items_of_form_alone', '1000 200 100');
ANALYZE sqlite_schema;
