-- 0018: behaviour events of known senders that their family does not take, until they are sent again or are too old.
CREATE TABLE event_quarantine (
  workspace TEXT NOT NULL,
  -- Its id as an event, when it is stored.
  id TEXT NOT NULL,
  received_at TEXT NOT NULL,
  form_id TEXT,
  type TEXT NOT NULL,
  code TEXT NOT NULL,
  problems TEXT NOT NULL,
  event TEXT NOT NULL,
  client_id TEXT NOT NULL,
  PRIMARY KEY (workspace, id)
) STRICT;
CREATE UNIQUE INDEX event_quarantine_by_client ON event_quarantine (workspace, client_id);
CREATE INDEX event_quarantine_by_age ON event_quarantine (received_at);
CREATE INDEX event_quarantine_of_form ON event_quarantine (workspace, form_id) WHERE form_id IS NOT NULL;
