-- outside a transaction
-- 0009: what people list and repeat is found by an index: what died of one cause, what is of one form.

-- The cause is its first column, so that those without one stand together.
CREATE INDEX CONCURRENTLY IF NOT EXISTS deliveries_by_cause ON deliveries (cause, workspace, created_at, id) WHERE state = 'dead';
-- All that groups and counts of dead ones ask for, so that neither looks at a row.
CREATE INDEX CONCURRENTLY IF NOT EXISTS deliveries_dead_causes
  ON deliveries (workspace, created_at, id, installation, form_id, reason, error_code, cause) WHERE state = 'dead';

CREATE INDEX CONCURRENTLY IF NOT EXISTS deliveries_by_form ON deliveries (workspace, form_id, created_at, id)
  WHERE form_id IS NOT NULL;
