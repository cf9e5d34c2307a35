-- 0020: when a receiver last took what the installation proves itself with. What went well before is taken for such.
ALTER TABLE installations ADD COLUMN proven_at text;
UPDATE installations SET proven_at = last_success_at;
