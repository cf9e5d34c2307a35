-- outside a transaction
-- 0011: a behaviour event is found by its sender's id, and by its age.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS events_by_client ON events (workspace, client_id) WHERE client_id IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS events_tracked_by_age ON events (at) WHERE type LIKE 'track.%' AND data IS NOT NULL;
