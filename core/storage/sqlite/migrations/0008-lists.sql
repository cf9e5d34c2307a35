-- 0008: what people list and repeat is found by an index: what died of one cause, what is of one form; and whose words an
-- installation repeats.

-- Set when it dies, null while it is not dead; see `cause.ts`. Upkeep gives one to what died before.
ALTER TABLE deliveries ADD COLUMN cause TEXT;
-- The cause is its first column, so that those without one stand together.
CREATE INDEX deliveries_by_cause ON deliveries (cause, workspace, created_at, id) WHERE state = 'dead';
-- All that groups and counts of dead ones ask for, so that neither looks at a row.
CREATE INDEX deliveries_dead_causes ON deliveries (workspace, created_at, id, installation, form_id, reason, error_code, cause)
  WHERE state = 'dead';

CREATE INDEX deliveries_by_form ON deliveries (workspace, form_id, created_at, id) WHERE form_id IS NOT NULL;

-- Whose words `last_error` are, so that they go with it. Null: it is not known.
ALTER TABLE installations ADD COLUMN last_error_delivery TEXT;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('deliveries', 'deliveries_by_cause', '1000 50 50 2 1'),
  ('deliveries', 'deliveries_dead_causes', '1000 200 2 1 1 1 1 1 1'),
  ('deliveries', 'deliveries_by_form', '1000000 500000 200000 2 1');
ANALYZE sqlite_schema;
