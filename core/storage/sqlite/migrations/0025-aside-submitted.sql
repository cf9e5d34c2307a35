-- 0025: when a response that is put aside was submitted, where its sender said so. Null: when it was received.
ALTER TABLE quarantine ADD COLUMN submitted_at TEXT;
