-- 0007: deliveries of one action that share a key start at its pace; see `paceBy` of the contract.
ALTER TABLE deliveries ADD COLUMN pace_key text COLLATE "C";
