-- 0013: of a deleted response it is known whether what its deliveries shared in runs is erased, too.

-- 1: it is. Null: a program deleted it that knew of no such runs; upkeep looks at it.
ALTER TABLE erased_responses ADD COLUMN batches_erased INTEGER;
CREATE INDEX erased_responses_left ON erased_responses (batches_erased) WHERE batches_erased IS NULL;
-- Attempts that were not the first of their run and do not name it.
CREATE INDEX attempts_unmarked ON attempts (batch)
  WHERE batch IS NULL AND substr(logs, 1, 40) = '[{"level":"info","message":"Ran as item ';

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('attempts', 'attempts_unmarked', '10 10');
ANALYZE sqlite_schema;
