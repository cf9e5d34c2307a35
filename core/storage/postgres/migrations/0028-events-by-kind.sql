-- outside a transaction
-- 0028: the newest events of a kind, of all forms or of one, however long the log: what a hook for them would be sent.
CREATE INDEX CONCURRENTLY IF NOT EXISTS events_by_kind ON events (workspace, type, seq)
  WHERE (type = 'form.changed' OR type = 'delivery.dead' OR type = 'alert.raised') AND data IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS events_by_kind_of_form ON events (workspace, form_id, type, seq)
  WHERE (type = 'form.changed' OR type = 'delivery.dead' OR type = 'alert.raised') AND data IS NOT NULL AND form_id IS NOT NULL;
