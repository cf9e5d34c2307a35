-- 0019: the few responses that are partial are listed without a look at the others.
CREATE INDEX responses_partial ON responses (workspace, created_at, id) WHERE status = 'partial';
CREATE INDEX responses_partial_of_form ON responses (workspace, form_id, created_at, id) WHERE status = 'partial';
