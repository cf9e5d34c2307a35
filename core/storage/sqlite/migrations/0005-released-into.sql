-- 0005: what was put aside under a client's id and released into the response that its client had begun before: the id it
-- had in quarantine, under which its event, its runs and what plugins made of them are found when that response is deleted.
CREATE TABLE released_into (
  workspace TEXT NOT NULL,
  id TEXT NOT NULL,
  response_id TEXT NOT NULL,
  PRIMARY KEY (workspace, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX released_into_by_response ON released_into (workspace, response_id);

-- As in 0001: planned for many from the first day.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('released_into', 'released_into', '10000 5000 1'),
  ('released_into', 'released_into_by_response', '10000 5000 2');
ANALYZE sqlite_schema;
