-- 0009: behaviour events, known by their sender's id and found by their age.

-- The sender's own id of a behaviour event, marked by ingest; it goes with what the event says.
ALTER TABLE events ADD COLUMN client_id TEXT;
CREATE UNIQUE INDEX events_by_client ON events (workspace, client_id) WHERE client_id IS NOT NULL;
CREATE INDEX events_tracked_by_age ON events (at) WHERE type LIKE 'track.%' AND data IS NOT NULL;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('events', 'events_by_client', '1000000 500000 1'),
  ('events', 'events_tracked_by_age', '1000000 2');
ANALYZE sqlite_schema;
