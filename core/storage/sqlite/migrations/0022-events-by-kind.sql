-- 0022: the newest events of a kind, of all forms or of one, however long the log: what a hook for them would be sent.
-- (OR: of IN SQLite makes a table for each row that is written.)
CREATE INDEX events_by_kind ON events (workspace, type, seq)
  WHERE (type = 'form.changed' OR type = 'delivery.dead' OR type = 'alert.raised') AND data IS NOT NULL;
CREATE INDEX events_by_kind_of_form ON events (workspace, form_id, type, seq)
  WHERE (type = 'form.changed' OR type = 'delivery.dead' OR type = 'alert.raised') AND data IS NOT NULL AND form_id IS NOT NULL;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('events', 'events_by_kind', '10000 5000 2000 1'),
  ('events', 'events_by_kind_of_form', '10000 5000 500 200 1');
ANALYZE sqlite_schema;
