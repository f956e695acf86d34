"""Killed anywhere, at anything: never a row missing, doubled, or ahead of what the core has made durable.

Each test compares with a database that the same journal was drained into in one go.
"""

import asyncio
import multiprocessing
import os
import random
import signal
import time

import psycopg2
import pytest

from persistence.migrate import migrate
from tests.harness import SECONDS_MAX
from tests.persistence.databases import contents, drain, drainer
from tests.persistence.journals import CrowdJournal
from tests.persistence.processes import PersistenceProcess, position, until_at
from tests.postgres import drop_database, fresh_database, query, url_of
from tests.tools.journals import in_thread

KILLS = 200


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    made = CrowdJournal(tmp_path_factory.mktemp("journal"), seed=5).add(6_000)
    made.close()
    return made


@pytest.fixture(scope="module")
def expected(crowd, postgres):
    return in_thread(undisturbed, crowd, postgres)


def undisturbed(crowd, postgres):
    """-> what a drainer that nobody disturbs makes of the journal."""
    name = fresh_database(postgres)
    asyncio.run(drain(crowd.directory, url_of(postgres, name), crowd.exchange.seq - 1))
    found = contents(url_of(postgres, name))
    drop_database(postgres, name)
    return found


def _drain_forever(directory, database, batch_events):
    asyncio.run(drainer(directory, database, batch_events=batch_events).run())


@pytest.mark.slow
def test_killed_hundreds_of_times_at_random_moments(crowd, database, expected):
    """Forked from this process, which has everything imported: so each lives for but a few batches."""
    migrate(database)
    chance = random.Random(1)
    context = multiprocessing.get_context("fork")
    last = crowd.exchange.seq - 1
    kills = 0
    seconds = 0.05
    while position(database) < last or kills < KILLS:
        if position(database) >= last:  # done too soon: start again, into an empty database
            query(database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            migrate(database)
        before = position(database)
        process = context.Process(target=_drain_forever, args=(crowd.directory, database, chance.randint(20, 60)))
        process.start()
        time.sleep(chance.uniform(0, seconds))  # not to wait for anything: it is the random moment
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        kills += 1
        assert kills < 20 * KILLS
        seconds = min(seconds * 1.2, 1) if position(database) == before else seconds * 0.95
    assert contents(database) == expected


def test_a_process_that_is_killed_goes_on_where_it_was(crowd, database, expected):
    last = crowd.exchange.seq - 1
    for part in (0.2, 0.6):
        with PersistenceProcess(crowd.directory, database, "--batch-events", "50") as process:
            until_at(database, part * last)
            process.kill()
    with PersistenceProcess(crowd.directory, database) as process:
        until_at(database, last)
        assert process.stop() == 0
    assert contents(database) == expected


async def test_a_connection_that_is_cut_again_and_again(tmp_path, postgres, database):
    crowd = CrowdJournal(tmp_path, seed=7).add(3_000)
    made = drainer(crowd.directory, database, batch_events=60)
    task = asyncio.create_task(made.run())
    cuts = 0
    cut_at = 0
    async with asyncio.timeout(SECONDS_MAX):
        while made.seq < crowd.exchange.seq - 1 or cuts < 5:
            await asyncio.sleep(0.005)
            if cuts < 5 and made.seq == crowd.exchange.seq - 1:  # it was done before it was cut often enough
                crowd.add(200)
            if made.seq > cut_at and cuts < 12:  # it has got on: its next transaction is under way
                cut_at = made.seq
                cuts += len(await asyncio.to_thread(_cut, database))
    made.stop()
    await task
    crowd.close()
    assert contents(database) == await asyncio.to_thread(undisturbed, crowd, postgres)


def _cut(database):
    return query(
        database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'persistence drainer'",
    )


async def test_postgres_is_stopped_and_started(tmp_path, postgres, database):
    crowd = CrowdJournal(tmp_path, seed=6).add(3_000)
    first = crowd.exchange.seq - 1
    made = drainer(crowd.directory, database, batch_events=60)
    task = asyncio.create_task(made.run())

    async def until(is_met):
        async with asyncio.timeout(SECONDS_MAX):
            while not is_met():
                assert not task.done()
                await asyncio.sleep(0.005)

    try:
        for part, mode in ((0.2, "immediate"), (0.6, "fast")):
            await until(lambda part=part: made.seq >= part * first)
            await asyncio.to_thread(postgres.stop, mode)
            crowd.add(200)  # so that there is something to write, also where it was that fast
            await until(lambda: made.health()["state"] == "connecting")
            await asyncio.to_thread(postgres.start)
        await until(lambda: made.seq == crowd.exchange.seq - 1)
    finally:
        made.stop()
        await task
    crowd.close()
    assert contents(database) == await asyncio.to_thread(undisturbed, crowd, postgres)


async def test_of_two_one_works_and_one_waits(crowd, database, expected):
    last = crowd.exchange.seq - 1
    first = drainer(crowd.directory, database, batch_events=100)
    first_task = asyncio.create_task(first.run())
    while first.state != "draining":
        await asyncio.sleep(0.005)
    second = drainer(crowd.directory, database, batch_events=100)
    second_task = asyncio.create_task(second.run())
    while second.state != "standby":
        assert first.seq <= last
        await asyncio.sleep(0.005)
    first.stop()
    await first_task
    async with asyncio.timeout(SECONDS_MAX):
        while second.seq < last:
            await asyncio.sleep(0.005)
    second.stop()
    await second_task
    assert contents(database) == expected


async def test_a_writer_that_has_lost_its_place_is_refused(crowd, database):
    """Were there ever two at work, by whatever mishap, the position would keep them apart."""
    await drain(crowd.directory, database, 2_000, batch_events=100)
    seq = position(database)
    with pytest.raises(psycopg2.Error, match="no longer at command 1 of venue"):
        query(database, "SELECT advance_position(1, venue_id, 2, 9, 9, 9, now()) FROM position")
    assert position(database) == seq


async def test_what_nothing_follows_is_not_taken(tmp_path, database):
    """The last record may not be on the disk yet."""
    crowd = CrowdJournal(tmp_path).add(50)
    durable = crowd.exchange.seq - 1  # the Tick at the end
    await drain(tmp_path, database, durable)
    assert position(database) == durable
    crowd.add(5)
    await drain(tmp_path, database, durable + 1)
    assert position(database) == crowd.exchange.seq - 1
    crowd.close()
