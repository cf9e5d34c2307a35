-- 0012: what was sent in one run for several deliveries stands with the first of them; it goes with any of them.

-- Id of the run that several deliveries were in; null: it was about this one alone.
ALTER TABLE attempts ADD COLUMN batch TEXT;
-- Of runs before this: those that began and ended together. Better two too many together than one that is left behind.
UPDATE attempts SET batch = 'at_' || together.at || '_' || together.duration_ms
  FROM (SELECT DISTINCT workspace, at, duration_ms FROM attempts
    WHERE logs LIKE '[{"level":"info","message":"Ran as item % of a batch of %') AS together
  WHERE attempts.workspace = together.workspace AND attempts.at = together.at
    AND attempts.duration_ms = together.duration_ms;
CREATE INDEX attempts_by_batch ON attempts (workspace, batch) WHERE batch IS NOT NULL;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('attempts', 'attempts_by_batch', '100000 50000 20');
ANALYZE sqlite_schema;
