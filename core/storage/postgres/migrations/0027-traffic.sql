-- 0027: what came and went, by the minute. `what` is 'responses', 'failed', or 'within:<ms>' for deliveries that took at most so long.
CREATE TABLE traffic (
  workspace text COLLATE "C" NOT NULL,
  minute bigint NOT NULL,
  what text COLLATE "C" NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (workspace, minute, what)
);
CREATE INDEX traffic_by_age ON traffic (minute);
