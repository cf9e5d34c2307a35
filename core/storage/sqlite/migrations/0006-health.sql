-- 0006: the health of installations: refused credentials, failures in a row, and what their own check found.

-- Of the settings whose credential was refused; null: none was. Other settings are tried again.
ALTER TABLE installations ADD COLUMN refused_hash TEXT;
-- Attempts that failed since the last one that did not, and the code of the last failure.
ALTER TABLE installations ADD COLUMN failure_streak INTEGER NOT NULL DEFAULT 0;
ALTER TABLE installations ADD COLUMN last_error_code TEXT;
-- When the plugin's `check` ran last, and as JSON what it found and the hash of the settings that it looked at.
ALTER TABLE installations ADD COLUMN check_at TEXT;
ALTER TABLE installations ADD COLUMN check_result TEXT;
