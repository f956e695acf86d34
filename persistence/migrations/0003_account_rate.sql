ALTER TABLE accounts
    ADD COLUMN commands_per_second bigint;  -- that each of its sessions may send; null: as the core is set up
