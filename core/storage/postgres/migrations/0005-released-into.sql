-- 0005: what was put aside under a client's id and released into the response that its client had begun before: the id it
-- had in quarantine, under which its event, its runs and what plugins made of them are found when that response is deleted.
CREATE TABLE released_into (
  workspace text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  response_id text COLLATE "C" NOT NULL,
  PRIMARY KEY (workspace, id)
);
CREATE INDEX released_into_by_response ON released_into (workspace, response_id);
