-- How market data is read: the gaps filled, the windows cut.

CREATE FUNCTION seconds_of(timeframe text) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE timeframe
        WHEN '1m' THEN 60 WHEN '5m' THEN 300 WHEN '15m' THEN 900
        WHEN '1h' THEN 3600 WHEN '4h' THEN 14400 WHEN '1d' THEN 86400 END
$$;

-- Start of the candle that a time lies in.
CREATE FUNCTION candle_start(timeframe text, at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT to_timestamp((floor(extract(epoch FROM at) / seconds_of(timeframe)) * seconds_of(timeframe))::float8)
$$;

-- Candles that start in [from_time, to_time), oldest first, without a gap: where nothing was traded, flat at the close
-- before, with no volume. None before the first trade, none beyond the time that the tables are as of.
CREATE FUNCTION candles_between(of_instrument bigint, of_timeframe text, from_time timestamptz, to_time timestamptz)
RETURNS TABLE (
    start timestamptz, open numeric, high numeric, low numeric, close numeric, volume numeric, quote_volume numeric,
    trades bigint
) LANGUAGE sql STABLE AS $$
    WITH known AS (
        SELECT c.* FROM candles c
        WHERE c.instrument = of_instrument AND c.timeframe = of_timeframe
            AND c.start >= from_time AND c.start < to_time
    ), before AS (  -- what a gap at the beginning is filled from
        SELECT c.* FROM candles c
        WHERE c.instrument = of_instrument AND c.timeframe = of_timeframe AND c.start < from_time
        ORDER BY c.start DESC LIMIT 1
    ), bounds AS (
        SELECT
            CASE WHEN EXISTS (SELECT FROM before)
                THEN candle_start(of_timeframe, from_time - interval '1 microsecond')
                    + seconds_of(of_timeframe) * interval '1 second'
                ELSE (SELECT min(k.start) FROM known k) END AS first,
            least(to_time - interval '1 microsecond', (SELECT p.time FROM position p)) AS last
    ), places AS (
        SELECT generate_series(b.first, b.last, seconds_of(of_timeframe) * interval '1 second') AS start FROM bounds b
    ), runs AS (  -- a run is a candle with trades and the gap after it; run 0 is the gap at the beginning
        SELECT p.start AS place, k.*, count(k.close) OVER (ORDER BY p.start) AS run
        FROM places p LEFT JOIN known k ON k.start = p.start
    ), filled AS (
        SELECT r.*, coalesce(first_value(r.close) OVER (PARTITION BY r.run ORDER BY r.place),
            (SELECT b.close FROM before b)) AS flat FROM runs r
    )
    SELECT f.place, coalesce(f.open, f.flat), coalesce(f.high, f.flat), coalesce(f.low, f.flat),
        coalesce(f.close, f.flat), coalesce(f.volume, 0), coalesce(f.quote_volume, 0), coalesce(f.trades, 0)
    FROM filled f ORDER BY f.place
$$;

-- Trades of the 24 hours up to `at`: whole minutes from candles, the rest of a minute at either end from trades.
-- `last` is the last trade's price however long ago; the others are null, sums 0, where nothing was traded.
CREATE FUNCTION statistics_24h(of_instrument bigint, at timestamptz)
RETURNS TABLE (
    open numeric, high numeric, low numeric, last numeric, volume numeric, quote_volume numeric, trades bigint,
    change numeric, change_percent numeric
) LANGUAGE sql STABLE AS $$
    WITH edges AS (
        SELECT at - interval '24 hours' AS since,
            candle_start('1m', at - interval '24 hours') + interval '1 minute' AS first_minute,
            CASE WHEN at >= (SELECT p.time FROM position p)  -- nothing is known after `at`: its minute counts whole
                THEN candle_start('1m', at) + interval '1 minute' ELSE candle_start('1m', at) END AS last_minute
    ), parts AS (
        SELECT t.time AS at, t.trade_id, t.price AS open, t.price AS high, t.price AS low, t.price AS close,
            t.quantity AS volume, t.price * t.quantity AS quote_volume, 1 AS trades
        FROM trades t, edges e
        WHERE t.instrument = of_instrument AND t.time > e.since AND t.time < e.first_minute
        UNION ALL
        SELECT c.start, 0, c.open, c.high, c.low, c.close, c.volume, c.quote_volume, c.trades
        FROM candles c, edges e
        WHERE c.instrument = of_instrument AND c.timeframe = '1m'
            AND c.start >= e.first_minute AND c.start < e.last_minute
        UNION ALL
        SELECT t.time, t.trade_id, t.price, t.price, t.price, t.price, t.quantity, t.price * t.quantity, 1
        FROM trades t, edges e
        WHERE t.instrument = of_instrument AND t.time >= e.last_minute AND t.time <= statistics_24h.at
    ), summed AS (
        SELECT (array_agg(p.open ORDER BY p.at, p.trade_id))[1] AS open, max(p.high) AS high, min(p.low) AS low,
            (array_agg(p.close ORDER BY p.at DESC, p.trade_id DESC))[1] AS last,
            coalesce(sum(p.volume), 0) AS volume, coalesce(sum(p.quote_volume), 0) AS quote_volume,
            coalesce(sum(p.trades), 0)::bigint AS trades
        FROM parts p
    )
    SELECT s.open, s.high, s.low,
        coalesce(s.last, (
            SELECT c.close FROM candles c
            WHERE c.instrument = of_instrument AND c.timeframe = '1m' AND c.start < candle_start('1m', statistics_24h.at)
            ORDER BY c.start DESC LIMIT 1
        )),
        s.volume, s.quote_volume, s.trades, s.last - s.open, round((s.last - s.open) * 100 / s.open, 2)
    FROM summed s
$$;

-- The newest depth snapshot at `at` or before; no row where there is none.
CREATE FUNCTION depth_snapshot_at(of_instrument bigint, at timestamptz) RETURNS SETOF depth_snapshots
LANGUAGE sql STABLE AS $$
    SELECT d.* FROM depth_snapshots d
    WHERE d.instrument = of_instrument AND d.time <= at ORDER BY d.time DESC LIMIT 1
$$;
