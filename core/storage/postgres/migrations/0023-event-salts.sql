-- 0023: salts of address hashes stand in a table of their own, which no backup and no move takes along: what was hashed before
-- cannot be linked with what is hashed after.
CREATE TABLE event_salts (
  day text COLLATE "C" PRIMARY KEY,
  salt text COLLATE "C" NOT NULL,
  expires_at_ms bigint NOT NULL
);
DELETE FROM kv WHERE workspace = '' AND installation = '' AND kv_key LIKE 'event-salt/%';
