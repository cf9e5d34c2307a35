-- 0026: what behaviour events came to once what they say is forgotten, by stretches of time that grow coarser with age.
CREATE TABLE event_counts (
  workspace text COLLATE "C" NOT NULL,
  rung text COLLATE "C" NOT NULL,
  start_ms bigint NOT NULL,
  end_ms bigint NOT NULL,
  events bigint NOT NULL,
  conversions bigint NOT NULL,
  -- JSON: both numbers by what the events said of type, name, source, device, country and form.
  parts text COLLATE "C" NOT NULL,
  PRIMARY KEY (workspace, rung, start_ms)
);
CREATE INDEX event_counts_by_age ON event_counts (rung, end_ms);

-- How many different visitors a day had, as a sketch that names none of them.
CREATE TABLE event_visitors (
  workspace text COLLATE "C" NOT NULL,
  start_ms bigint NOT NULL,
  kind text COLLATE "C" NOT NULL,
  end_ms bigint NOT NULL,
  -- Sketches with the same one may be merged.
  salt text COLLATE "C" NOT NULL,
  registers text COLLATE "C" NOT NULL,
  PRIMARY KEY (workspace, start_ms, kind)
);
CREATE INDEX event_visitors_by_age ON event_visitors (end_ms);

-- Which entry of the log told last what was forgotten, so that a reader of both counts no event twice.
CREATE TABLE event_ladder (
  workspace text COLLATE "C" PRIMARY KEY,
  expired_seq bigint NOT NULL,
  version bigint NOT NULL
);
