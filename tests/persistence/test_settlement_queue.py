"""The queue of settlement in Postgres: of two who have read the same trade, one changes it."""

import aiopg
import attrs
import pytest

from persistence import settlement_queue as queue
from tests.persistence.settling import Books
from tests.postgres import query


@pytest.fixture
async def cursor(database):
    async with aiopg.connect(database, enable_hstore=False) as connection, connection.cursor() as made:
        yield made


async def test_an_attempt_is_counted_once(database, cursor):
    Books(database).trade()
    (entry,) = await queue.oldest(cursor, 10)
    failed = attrs.evolve(entry, attempts=1)
    assert await queue.again(cursor, entry, failed, 0, "no answer")
    assert not await queue.again(cursor, entry, failed, 1_000, "no answer")
    assert not await queue.dead(cursor, entry, failed, entry.stage, "no answer")
    assert not await queue.reversing(cursor, entry, "refused")
    (entry,) = await queue.oldest(cursor, 10)
    assert (entry.attempts, entry.is_due, entry.stage) == (1, True, queue.POSTING)


async def test_legs_that_are_known_to_be_booked_are_not_forgotten(database, cursor):
    Books(database).trade()
    (entry,) = await queue.oldest(cursor, 10)
    posted = attrs.evolve(entry, posted=("buyer_quote",))
    assert await queue.again(cursor, entry, posted, 0, "no answer")
    assert not await queue.again(cursor, entry, entry, 0, "no answer")
    assert not await queue.dead(cursor, entry, entry, entry.stage, "no answer")
    assert await queue.dead(cursor, posted, posted, entry.stage, "no answer")
    assert query(database, "SELECT posted FROM dead_letters") == [(["buyer_quote"],)]
