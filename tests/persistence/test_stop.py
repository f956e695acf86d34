"""Told to stop while Postgres does not answer; and how far behind it says it is meanwhile."""

import asyncio
import contextlib

import psycopg2
import pytest

import persistence.drainer
from persistence.migrate import LOCK, migrate
from tests.harness import eventually
from tests.persistence.databases import contents, drain, drainer
from tests.persistence.journals import START_NS, CrowdJournal
from tests.persistence.processes import PersistenceProcess
from tests.postgres import query


@pytest.fixture
def crowd(tmp_path):
    made = CrowdJournal(tmp_path, seed=3).add(500)
    made.close()
    return made


@contextlib.contextmanager
def held(database, statement):
    """What it locks stays locked."""
    with contextlib.closing(psycopg2.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        yield


@contextlib.asynccontextmanager
async def blocked(crowd, database):
    """-> (Drainer, its task), whose first batch Postgres does not take."""
    migrate(database)
    with held(database, "LOCK TABLE orders IN SHARE MODE"):
        made = drainer(crowd.directory, database)
        task = asyncio.create_task(made.run())
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass"
        await eventually(lambda: query(database, waiting) == [(1,)])
        yield made, task


async def test_a_batch_that_postgres_does_not_take_is_given_up(crowd, database, monkeypatch):
    monkeypatch.setattr(persistence.drainer, "STOP_SECONDS", 0.1)
    async with blocked(crowd, database) as (made, task):
        made.stop()
        made.stop()
        await eventually(task.done)
        await task
        assert made.seq == 0
        assert query(database, "SELECT count(*) FROM position") == [(0,)]
    await drain(crowd.directory, database, crowd.exchange.seq - 1)
    assert contents(database, "orders")["orders"][0] > 100


async def test_an_empty_database_is_as_far_behind_as_the_journal_is_long(crowd, database):
    async with blocked(crowd, database) as (made, task):
        await eventually(lambda: made.health()["lag_commands"] == crowd.exchange.seq - 1)
        assert 0 < made.health()["lag_seconds"] <= (crowd.time_ns - START_NS) / 1e9
    made.stop()
    await task


def test_one_that_waits_to_migrate_can_be_stopped(crowd, database):
    lock = "SELECT pg_advisory_lock(%d)" % LOCK
    with held(database, lock), PersistenceProcess(crowd.directory, database) as process:
        process.line("metrics: http")
        assert process.stop() == 0
