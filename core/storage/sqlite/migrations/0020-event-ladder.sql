-- 0020: what behaviour events came to once what they say is forgotten, by stretches of time that grow coarser with age.
CREATE TABLE event_counts (
  workspace TEXT NOT NULL,
  rung TEXT NOT NULL,
  start_ms INTEGER NOT NULL,
  end_ms INTEGER NOT NULL,
  events INTEGER NOT NULL,
  conversions INTEGER NOT NULL,
  -- JSON: both numbers by what the events said of type, name, source, device, country and form.
  parts TEXT NOT NULL,
  PRIMARY KEY (workspace, rung, start_ms)
) STRICT;
CREATE INDEX event_counts_by_age ON event_counts (rung, end_ms);

-- How many different visitors a day had, as a sketch that names none of them.
CREATE TABLE event_visitors (
  workspace TEXT NOT NULL,
  start_ms INTEGER NOT NULL,
  kind TEXT NOT NULL,
  end_ms INTEGER NOT NULL,
  -- Sketches with the same one may be merged.
  salt TEXT NOT NULL,
  registers TEXT NOT NULL,
  PRIMARY KEY (workspace, start_ms, kind)
) STRICT;
CREATE INDEX event_visitors_by_age ON event_visitors (end_ms);

-- Which entry of the log told last what was forgotten, so that a reader of both counts no event twice.
CREATE TABLE event_ladder (
  workspace TEXT PRIMARY KEY,
  expired_seq INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT;
