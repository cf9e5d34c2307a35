-- 0015: runs from before 0014 are marked. A step of its own: nobody waits for more than a row of it, and its table stays open.
-- Of runs before this: those that began and ended together. Better two too many together than one that is left behind.
UPDATE attempts SET batch = 'at_' || together.at || '_' || together.duration_ms
  FROM (SELECT DISTINCT workspace, at, duration_ms FROM attempts
    WHERE logs LIKE '[{"level":"info","message":"Ran as item % of a batch of %') AS together
  WHERE attempts.workspace = together.workspace AND attempts.at = together.at
    AND attempts.duration_ms = together.duration_ms
    AND attempts.batch IS NULL;
