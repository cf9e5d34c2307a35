-- 0023: when it was told that nothing is sent to a hook any more: its key or its own time has ended. Null: nothing was to be told.
ALTER TABLE hooks ADD COLUMN stopped_at TEXT;
-- Of replaced admin keys an alert has told already.
UPDATE hooks SET stopped_at = last_failure_at WHERE EXISTS (SELECT 1 FROM api_keys
  WHERE api_keys.id = hooks.key_id AND api_keys.kind = 'operator' AND api_keys.revoked_at IS NOT NULL);
