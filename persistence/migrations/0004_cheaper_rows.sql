-- What a row costs to write: docs/decisions/0021 has the figures.

-- Written by the drainer with the columns that it is of; a generated column formed each row twice.
ALTER TABLE orders ALTER COLUMN average_price DROP EXPRESSION;

-- The words come from the tables of protocol/messages.py, and never change in a row.
ALTER TABLE orders DROP CONSTRAINT orders_side_check, DROP CONSTRAINT orders_type_check;

-- An account's entries: found by the events of its orders, or by reading the table. No program asks for them.
DROP INDEX ledger_entries_of_account;

-- An order's fills; its other events are found with those of its account.
DROP INDEX order_events_of_order;
CREATE INDEX order_events_fills_of_order ON order_events (order_id, event_seq) WHERE type = 'filled';
