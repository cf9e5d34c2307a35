-- 0017: of a deleted response it is known whether what its deliveries shared in runs is erased, too.

-- 1: it is. Null: a program deleted it that knew of no such runs; upkeep looks at it.
ALTER TABLE erased_responses ADD COLUMN batches_erased integer;
CREATE INDEX erased_responses_left ON erased_responses (workspace, response_id) WHERE batches_erased IS NULL;
