-- 0019: a lease says what its installation takes turns for with others, which have to run in the same process.

-- Hashes with commas between; null: it takes turns with nobody.
ALTER TABLE leases ADD COLUMN turns text;
