-- 0010: behaviour events are known by their sender's id, marked by ingest; it goes with what the event says.
ALTER TABLE events ADD COLUMN client_id text COLLATE "C";
