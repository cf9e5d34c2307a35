-- 0021: people who look at the dashboard have keys of their own: a link that opens a session once, and the session.

-- What it is: 'key', 'link' or 'session'.
ALTER TABLE api_keys ADD COLUMN kind text COLLATE "C" NOT NULL DEFAULT 'key';
-- Id of the key whose holder opened it, with which it ends; null: a key.
ALTER TABLE api_keys ADD COLUMN opened_by text COLLATE "C";
