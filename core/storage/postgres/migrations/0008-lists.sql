-- 0008: what died of one cause, and whose words an installation repeats.

-- Set when it dies, null while it is not dead; see `cause.ts`. Upkeep gives one to what died before.
ALTER TABLE deliveries ADD COLUMN cause text COLLATE "C";

-- Whose words `last_error` are, so that they go with it. Null: it is not known.
ALTER TABLE installations ADD COLUMN last_error_delivery text;
