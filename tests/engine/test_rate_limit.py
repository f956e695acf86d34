"""A token bucket that is exact: over any time no more than a second's commands and what the time allows."""

import random

from engine.rate_limit import NO_LIMIT, SECOND_NS, RateLimit


def test_a_quiet_session_may_send_a_seconds_commands_at_once():
    limit = RateLimit(10, 0)
    assert limit.left == 10
    limit.left -= 10
    limit.fill(SECOND_NS // 10 - 1)
    assert limit.left == 0
    limit.fill(SECOND_NS // 10)
    assert limit.left == 1
    limit.fill(100 * SECOND_NS)
    assert limit.left == 10


def test_no_part_of_a_command_is_lost_or_won_however_time_is_cut():
    chance = random.Random(1)
    for per_second in (3, 7, 1000, 999_983):
        limit = RateLimit(per_second, 0)
        now_ns = taken = 0
        while now_ns < 5 * SECOND_NS:
            taken += limit.left
            limit.left = 0
            now_ns += chance.randrange(SECOND_NS // 50)
            limit.fill(now_ns)
        assert taken + limit.left == per_second + now_ns * per_second // SECOND_NS


def test_another_limit_allows_no_more_than_the_one_before_had_left():
    limit = RateLimit(0, 0)
    limit.set(10, 5)
    assert limit.left == 10
    limit.left -= 8
    limit.set(100, 5)
    assert limit.left == 2
    limit.set(1, 5)
    assert limit.left == 1
    limit.set(0, 5)
    assert limit.left == NO_LIMIT


def test_the_same_limit_again_changes_nothing():
    limit = RateLimit(10, 0)
    limit.left = 0
    for now_ns in range(0, SECOND_NS, SECOND_NS // 100):
        limit.set(10, now_ns)
        limit.fill(now_ns)
    assert limit.left == 9


def test_without_a_limit_there_is_always_more():
    limit = RateLimit(0, 0)
    limit.fill(SECOND_NS)
    assert limit.left == NO_LIMIT
