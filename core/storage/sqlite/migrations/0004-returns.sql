-- 0004: a pause for used up points ends by itself, whichever process is there to end it.

-- Unix ms; null: somebody has to end it.
ALTER TABLE installations ADD COLUMN returns_at_ms INTEGER;
-- When it was paused for its points lately: a JSON list of unix ms.
ALTER TABLE installations ADD COLUMN pauses TEXT NOT NULL DEFAULT '[]';
