-- 0024: behaviour events of known senders that their family does not take, until they are sent again or are too old.
CREATE TABLE event_quarantine (
  workspace text COLLATE "C" NOT NULL,
  -- Its id as an event, when it is stored.
  id text COLLATE "C" NOT NULL,
  received_at text COLLATE "C" NOT NULL,
  form_id text COLLATE "C",
  type text COLLATE "C" NOT NULL,
  code text COLLATE "C" NOT NULL,
  problems text COLLATE "C" NOT NULL,
  event text COLLATE "C" NOT NULL,
  client_id text COLLATE "C" NOT NULL,
  PRIMARY KEY (workspace, id)
);
CREATE UNIQUE INDEX event_quarantine_by_client ON event_quarantine (workspace, client_id);
CREATE INDEX event_quarantine_by_age ON event_quarantine (received_at);
CREATE INDEX event_quarantine_of_form ON event_quarantine (workspace, form_id) WHERE form_id IS NOT NULL;
