-- outside a transaction
-- 0016: what of one run stands with its deliveries is found by an index.
CREATE INDEX CONCURRENTLY IF NOT EXISTS attempts_by_batch ON attempts (workspace, batch) WHERE batch IS NOT NULL;
