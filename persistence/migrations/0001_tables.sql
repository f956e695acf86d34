-- What the venue decided, as rows. Written by the drainer alone, in one transaction with `position`.
--
-- Amounts, prices and quantities are numeric with exactly the digits of their asset or instrument; times are those of
-- the journal, cut to microseconds; the words are those of protocol/messages.py. `event_seq` names the event of the
-- journal that a row is from. An outside user's id is `user_id`, since `user` is Postgres's own word.

CREATE TABLE position (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),  -- one row
    venue_id numeric(20) NOT NULL,  -- of the journal that fills this database
    rules_version integer NOT NULL,
    seq bigint NOT NULL,  -- last command that is in the tables
    event_seq bigint NOT NULL,  -- last event
    chain bigint NOT NULL,  -- checksum of the last record, which the next one continues
    time timestamptz NOT NULL  -- of that record: everything that the tables say is as of then
);

-- Move the position on, from where the writer believes it is: another writer's step is never repeated or skipped.
CREATE FUNCTION advance_position(
    from_seq bigint, of_venue numeric, of_rules integer, to_seq bigint, to_event_seq bigint, to_chain bigint,
    to_time timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF from_seq = 0 THEN
        INSERT INTO position VALUES (true, of_venue, of_rules, to_seq, to_event_seq, to_chain, to_time);
        RETURN;
    END IF;
    UPDATE position SET seq = to_seq, event_seq = to_event_seq, chain = to_chain, time = to_time
    WHERE seq = from_seq AND venue_id = of_venue AND rules_version = of_rules;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the database is no longer at command % of venue %', from_seq, of_venue;
    END IF;
END $$;

-- --- what there is -------------------------------------------------------------------------------------------------

CREATE TABLE assets (
    asset bigint PRIMARY KEY,
    symbol text NOT NULL UNIQUE,
    scale smallint NOT NULL,  -- digits after the point
    event_seq bigint NOT NULL
);

CREATE TABLE instruments (
    instrument bigint PRIMARY KEY,
    symbol text NOT NULL UNIQUE,
    base bigint,  -- assets; null: traded without funds
    quote bigint,
    price_scale smallint NOT NULL,
    quantity_scale smallint NOT NULL,
    tick numeric NOT NULL,
    lot numeric NOT NULL,
    collar_bps integer NOT NULL,
    state text NOT NULL,
    quantity_min numeric,  -- limits; null: none
    quantity_max numeric,
    notional_min numeric,
    band_bps integer,
    last_price numeric,  -- of the last trade
    book_changed_at timestamptz,  -- first change of the book that no depth snapshot shows yet
    event_seq bigint NOT NULL
);

CREATE TABLE fees (
    instrument bigint,
    tier smallint,
    maker_ppm bigint NOT NULL,  -- 1/1,000,000 of the notional; negative: a rebate
    taker_ppm bigint NOT NULL,
    event_seq bigint NOT NULL,
    PRIMARY KEY (instrument, tier)
);

-- Accounts that were opened. 4294967295 is the venue's own, where fees go; 0, in the ledger, the world outside.
CREATE TABLE accounts (
    account bigint PRIMARY KEY,
    user_id text UNIQUE,
    tier smallint NOT NULL DEFAULT 0,
    is_blocked boolean NOT NULL DEFAULT false,
    open_orders_max bigint,
    commands_per_second bigint,  -- null: no limit of its own
    opened_at timestamptz NOT NULL,
    event_seq bigint NOT NULL
);

CREATE TABLE limits (
    account bigint,
    asset bigint,  -- quote asset, of which the amounts are; null: no limit
    order_notional_max numeric,
    daily_notional_max numeric,
    second_factor_above numeric,
    event_seq bigint NOT NULL,
    PRIMARY KEY (account, asset)
);

-- --- orders --------------------------------------------------------------------------------------------------------

CREATE TABLE orders (
    order_id bigint NOT NULL,  -- below 0, -event_seq: was rejected, and never got an id
    account bigint NOT NULL,
    instrument bigint NOT NULL,
    created_event_seq bigint NOT NULL,  -- of OrderAccepted or CommandRejected: pages go by it
    event_seq bigint NOT NULL,  -- of the last change
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    triggered_at timestamptz,  -- when a stop order was elected
    ended_at timestamptz,  -- null: open, or waiting
    expire_time timestamptz,
    maker_ppm integer,  -- fee rates, and what rounding has charged too much so far, in millionths of a unit: they
    taker_ppm integer,  -- give what has to stay reserved; null without funds
    fee_surplus integer,
    fee_ppm_max integer,
    post_only boolean NOT NULL,
    side text CHECK (side IN ('buy', 'sell')),  -- null, as the next ones: rejected for what is no such word
    type text CHECK (type IN ('limit', 'market', 'stop', 'stop_limit')),
    time_in_force text,
    self_trade_prevention text,
    status text NOT NULL
        CHECK (status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED', 'FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')),
    reason text,  -- why it was cancelled, expired or rejected
    client_order_id text,
    price numeric,  -- null: a market or stop order
    stop_price numeric,
    quantity numeric NOT NULL,
    filled_quantity numeric NOT NULL,
    open_quantity numeric NOT NULL,  -- still in the book, or waiting
    filled_notional numeric NOT NULL,  -- sum of price x quantity of its fills
    average_price numeric GENERATED ALWAYS AS (filled_notional / NULLIF(filled_quantity, 0)) STORED,
    fee numeric NOT NULL,  -- so far, in the quote asset
    reserved numeric NOT NULL  -- of the quote asset for a buy, of the base asset for a sell
) WITH (fillfactor = 85);

-- Their conditions name no column that a fill changes: so a partial fill touches no index at all.
ALTER TABLE orders ADD PRIMARY KEY (order_id);
CREATE INDEX orders_of_account ON orders (account, created_event_seq);
CREATE INDEX orders_open_of_account ON orders (account, instrument, created_event_seq) WHERE ended_at IS NULL;
CREATE INDEX orders_open_in_book ON orders (instrument, side, price) WHERE ended_at IS NULL;
CREATE INDEX orders_by_client_order_id ON orders (account, client_order_id) WHERE client_order_id IS NOT NULL;
CREATE INDEX orders_waiting ON orders (instrument, side, stop_price)
    WHERE stop_price IS NOT NULL AND triggered_at IS NULL AND ended_at IS NULL;

CREATE VIEW open_orders AS SELECT * FROM orders WHERE ended_at IS NULL;

CREATE VIEW waiting_stops AS
    SELECT * FROM orders WHERE stop_price IS NOT NULL AND triggered_at IS NULL AND ended_at IS NULL;

-- Everything that happened to orders, rejects of cancels and amends included.
CREATE TABLE order_events (
    event_seq bigint NOT NULL,
    time timestamptz NOT NULL,
    order_id bigint NOT NULL,
    account bigint NOT NULL,
    instrument bigint,  -- null: a reject that names none
    type text NOT NULL,  -- accepted, filled, cancelled, amended, triggered, self_trade_prevented, rejected, duplicate
    side text,
    liquidity text,  -- of a fill: maker, taker
    reason text,
    trade_id bigint,
    price numeric,
    quantity numeric,
    open_quantity numeric,
    fee numeric,
    PRIMARY KEY (event_seq, time)
) PARTITION BY RANGE (time);
CREATE INDEX order_events_of_order ON order_events (order_id, event_seq);
CREATE INDEX order_events_fills_of_account ON order_events (account, event_seq) WHERE type = 'filled';

-- --- trades --------------------------------------------------------------------------------------------------------

CREATE TABLE trades (
    trade_id bigint NOT NULL,
    time timestamptz NOT NULL,
    event_seq bigint NOT NULL,  -- of the taker's fill
    instrument bigint NOT NULL,
    maker_order_id bigint NOT NULL,
    taker_order_id bigint NOT NULL,
    maker_account bigint NOT NULL,
    taker_account bigint NOT NULL,
    taker_side text NOT NULL,
    settlement_status text NOT NULL DEFAULT 'NONE'  -- NONE: there was no wallet of record
        CHECK (settlement_status IN ('NONE', 'PENDING', 'SETTLED', 'FAILED')),
    price numeric NOT NULL,
    quantity numeric NOT NULL,
    maker_fee numeric NOT NULL,  -- in the quote asset; negative: a rebate
    taker_fee numeric NOT NULL,
    PRIMARY KEY (trade_id, time)
) PARTITION BY RANGE (time);
CREATE INDEX trades_of_instrument ON trades (instrument, time, trade_id);

CREATE TABLE settlement_queue (
    trade_id bigint PRIMARY KEY,
    time timestamptz NOT NULL,  -- of the trade: finds its partition
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    last_error text
);
CREATE INDEX settlement_queue_due ON settlement_queue (next_attempt_at, trade_id);

CREATE TABLE dead_letters (
    trade_id bigint PRIMARY KEY,
    time timestamptz NOT NULL,
    attempts integer NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT now(),
    error text NOT NULL
);

-- --- money ---------------------------------------------------------------------------------------------------------

-- Double entry: the entries of one event add up to 0 in each asset, over available and reserved together.
CREATE TABLE ledger_entries (
    event_seq bigint NOT NULL,
    time timestamptz NOT NULL,
    account bigint NOT NULL,
    asset bigint NOT NULL,
    order_id bigint,
    trade_id bigint,
    type text NOT NULL,  -- deposit, withdrawal, reserve, release, trade, fee
    available_change numeric NOT NULL,
    reserved_change numeric NOT NULL
);
CREATE INDEX ledger_entries_by_event ON ledger_entries USING brin (event_seq) WITH (pages_per_range = 16);
CREATE INDEX ledger_entries_of_account ON ledger_entries (account, asset, event_seq);

CREATE TABLE balances (
    account bigint,
    asset bigint,
    available numeric NOT NULL,
    reserved numeric NOT NULL,
    event_seq bigint NOT NULL,
    PRIMARY KEY (account, asset),
    CHECK (account = 0 OR (available >= 0 AND reserved >= 0))  -- the world outside has what was withdrawn, and owes us
) WITH (fillfactor = 50);

-- --- market data ---------------------------------------------------------------------------------------------------

CREATE TABLE candles (
    instrument bigint,
    timeframe text CHECK (timeframe IN ('1m', '5m', '15m', '1h', '4h', '1d')),
    start timestamptz,  -- takes trades from then until before the next
    open numeric NOT NULL,
    high numeric NOT NULL,
    low numeric NOT NULL,
    close numeric NOT NULL,
    volume numeric NOT NULL,  -- of the base asset
    quote_volume numeric NOT NULL,
    trades bigint NOT NULL,
    PRIMARY KEY (instrument, timeframe, start)
) WITH (fillfactor = 85);

-- The book as it was before `time`; where it has not changed since, there is no further row.
CREATE TABLE depth_snapshots (
    instrument bigint,
    time timestamptz,
    event_seq bigint NOT NULL,
    bids jsonb NOT NULL,  -- [[price, quantity, orders], ...], the best first, the first two as text
    asks jsonb NOT NULL,
    PRIMARY KEY (instrument, time)
);

-- --- who did what --------------------------------------------------------------------------------------------------

CREATE TABLE audit_logs (
    event_seq bigint PRIMARY KEY,
    time timestamptz NOT NULL,
    admin bigint NOT NULL,  -- account number of who acted
    action text NOT NULL,  -- name of the command: deposit, set_instrument_state, ...
    account bigint,  -- whom or what it was about; null: nobody in particular
    instrument bigint,
    asset bigint,
    reason text,
    details jsonb NOT NULL  -- the other fields, amounts as text
);
CREATE INDEX audit_logs_by_time ON audit_logs (time, event_seq);
CREATE INDEX audit_logs_of_admin ON audit_logs (admin, event_seq);
CREATE INDEX audit_logs_of_account ON audit_logs (account, event_seq) WHERE account IS NOT NULL;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- --- partitions ----------------------------------------------------------------------------------------------------

-- Make the partitions of the UTC months from that of `earliest` to that of `latest`, where they are missing.
CREATE FUNCTION make_partitions(earliest timestamptz, latest timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month timestamp := date_trunc('month', earliest AT TIME ZONE 'UTC');
    parent text;
    partition text;
BEGIN
    WHILE month <= latest AT TIME ZONE 'UTC' LOOP
        FOREACH parent IN ARRAY ARRAY['trades', 'order_events'] LOOP
            partition := parent || to_char(month, '_YYYY_MM');
            IF to_regclass(partition) IS NULL THEN
                EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', partition, parent,
                    month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
            END IF;
        END LOOP;
        month := month + interval '1 month';
    END LOOP;
END $$;
