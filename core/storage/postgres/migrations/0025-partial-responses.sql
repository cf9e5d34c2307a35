-- outside a transaction
-- 0025: the few responses that are partial are listed without a look at the others.
CREATE INDEX CONCURRENTLY IF NOT EXISTS responses_partial ON responses (workspace, created_at, id) WHERE status = 'partial';
CREATE INDEX CONCURRENTLY IF NOT EXISTS responses_partial_of_form ON responses (workspace, form_id, created_at, id)
  WHERE status = 'partial';
