-- 0016: a hook is sent what the log gets after this sequence, which is where it was when it was asked for.
ALTER TABLE hooks ADD COLUMN from_seq INTEGER NOT NULL DEFAULT 0;
