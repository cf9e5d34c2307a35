-- 0021: what came and went, by the minute. `what` is 'responses', 'failed', or 'within:<ms>' for deliveries that took at most so long.
CREATE TABLE traffic (
  workspace TEXT NOT NULL,
  minute INTEGER NOT NULL,
  what TEXT NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (workspace, minute, what)
) STRICT, WITHOUT ROWID;
CREATE INDEX traffic_by_age ON traffic (minute);
