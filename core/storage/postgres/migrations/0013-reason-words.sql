-- 0013: whose words the reason of an installation's state repeats, so that they go with that delivery. Null: nobody's.
ALTER TABLE installations ADD COLUMN reason_delivery text;
