-- How far the settlement of a trade has come: persistence/settlement_queue.py says what the stages are.

ALTER TABLE settlement_queue
    ADD COLUMN round integer NOT NULL DEFAULT 1,  -- part of the keys at the wallet: one that was reversed is not used again
    ADD COLUMN stage text NOT NULL DEFAULT 'posting' CHECK (stage IN ('posting', 'reversing')),
    ADD COLUMN posted text[] NOT NULL DEFAULT '{}',  -- legs of the round that are known to be booked
    ADD COLUMN refusal text;  -- why the round is being reversed
-- Rows come and go all the time: keep it small, since its oldest rows are read over and over.
ALTER TABLE settlement_queue
    SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, fillfactor = 70);
DROP INDEX settlement_queue_due;  -- it is read in the order of trades

ALTER TABLE dead_letters
    ADD COLUMN round integer NOT NULL DEFAULT 1,
    ADD COLUMN stage text NOT NULL DEFAULT 'posting' CHECK (stage IN ('posting', 'reversing', 'reversed')),
    ADD COLUMN posted text[] NOT NULL DEFAULT '{}',
    ADD COLUMN refusal text;
