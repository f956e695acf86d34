"""Candles and 24 hours, from trades minute by minute."""

from gateway.streams.candles import DAY_NS, MINUTE_NS, Bar, Minutes, start_of

HOUR_NS = 60 * MINUTE_NS
START_NS = 20_000 * DAY_NS


def test_a_day_and_its_candles():
    minutes = Minutes()
    for number, (after_ns, price) in enumerate([(0, 100), (30, 120), (MINUTE_NS, 90), (HOUR_NS, 110)], 1):
        minutes.trade(number, START_NS + after_ns, price, 2)
    now_ns = START_NS + HOUR_NS
    assert minutes.day(now_ns) == Bar(now_ns - DAY_NS, 100, 120, 90, 110, 8, 840, 4)
    assert minutes.candle("1m", now_ns) == Bar(now_ns, 110, 110, 110, 110, 2, 220, 1)
    assert minutes.candle("1d", now_ns) == Bar(START_NS, 100, 120, 90, 110, 8, 840, 4)
    assert minutes.candle("4h", now_ns) == Bar(START_NS, 100, 120, 90, 110, 8, 840, 4)
    assert (minutes.last, minutes.sequence) == (110, 4)


def test_a_candle_without_a_trade_is_flat():
    minutes = Minutes()
    assert minutes.candle("1m", START_NS) is None
    minutes.trade(1, START_NS, 100, 2)
    assert minutes.candle("1m", START_NS + MINUTE_NS) == Bar(START_NS + MINUTE_NS, 100, 100, 100, 100)


def test_what_is_older_than_a_day_is_forgotten():
    minutes = Minutes()
    minutes.trade(1, START_NS, 500, 2)
    minutes.trade(2, START_NS + HOUR_NS, 100, 2)
    now_ns = START_NS + DAY_NS + 2 * MINUTE_NS
    minutes.trade(3, now_ns, 110, 2)
    assert minutes.day(now_ns).high == 110
    assert [bar.open for bar in minutes.since(0)] == [100, 110]
    assert minutes.day(now_ns + DAY_NS + MINUTE_NS) is None


def test_seeded_from_the_history():
    minutes = Minutes()
    minutes.trade(9, START_NS, 1, 1)
    bars = [Bar(START_NS, 100, 120, 90, 110, 8, 840, 4)]
    minutes.seed(bars, 110, 11, [(12, START_NS + 5, 130, 1), (14, START_NS + MINUTE_NS, 105, 1)])
    assert minutes.day(START_NS + MINUTE_NS) == Bar(START_NS + MINUTE_NS - DAY_NS, 100, 130, 90, 105, 10, 1075, 6)
    assert (minutes.last, minutes.sequence) == (105, 14)


def test_what_the_history_has_already_is_not_counted_twice():
    minutes = Minutes()
    bars = [Bar(START_NS, 100, 120, 90, 110, 8, 840, 4)]
    minutes.seed(bars, 110, 20, [])
    assert not minutes.trade(20, START_NS + 5, 90, 2)
    assert minutes.candle("1m", START_NS + 5) == bars[0] and minutes.last == 110
    assert minutes.trade(22, START_NS + 5, 80, 2)
    assert minutes.candle("1m", START_NS + 5) == Bar(START_NS, 100, 120, 80, 80, 10, 1000, 5)


def test_a_clock_that_is_behind_the_newest_trade():
    minutes = Minutes()
    minutes.trade(1, START_NS, 100, 2)
    minutes.trade(2, START_NS + MINUTE_NS, 110, 2)
    assert minutes.candle("1m", START_NS) == Bar(START_NS + MINUTE_NS, 110, 110, 110, 110, 2, 220, 1)


def test_where_candles_begin():
    assert start_of("4h", START_NS + 5 * HOUR_NS) == START_NS + 4 * HOUR_NS
    assert start_of("1d", START_NS + DAY_NS - 1) == START_NS
