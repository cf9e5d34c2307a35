-- outside a transaction
-- 0018: attempts that were not the first of their run and do not name it: a program from before 0014 wrote them.
CREATE INDEX CONCURRENTLY IF NOT EXISTS attempts_unmarked ON attempts (workspace)
  WHERE batch IS NULL AND substr(logs, 1, 40) = '[{"level":"info","message":"Ran as item ';
