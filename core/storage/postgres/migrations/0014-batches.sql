-- 0014: what was sent in one run for several deliveries stands with the first of them; it goes with any of them.

-- Id of the run that several deliveries were in; null: it was about this one alone.
ALTER TABLE attempts ADD COLUMN batch text COLLATE "C";
