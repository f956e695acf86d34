"""`python -m persistence` beside a real core: orders over TCP, kill -9, a torn tail, and what it says of itself."""

import asyncio
import json
import os

from prometheus_client.parser import text_string_to_metric_families

from persistence.tail import Frontier
from protocol.content import record_commands
from protocol.journal import JournalReader
from protocol.messages import Deposited, OrderAccepted, PlaceOrder
from protocol.records import RECORD_HEADER_BYTES
from tests.commands import definitions
from tests.harness import SECONDS_MAX, CoreProcess, Venue, buy, peer, sell
from tests.persistence.processes import PersistenceProcess
from tests.postgres import query
from tools.__main__ import main

INSTRUMENT = 4  # of definitions(): with funds, and with no collar


async def until(condition):
    """Wait for condition(), which asks a process or the database. -> what it gave"""
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            found = await asyncio.to_thread(condition)
            if found:
                return found
            await asyncio.sleep(0.02)


async def define(core, venue):
    async with peer(core.trusted_port, venue.trusted) as operator:
        commands = definitions()
        operator.send(*commands)
        await operator.until(Deposited, sum(type(command).__name__ == "Deposit" for command in commands))


def orders(count, name):
    """Of both sides, so that half of them trade."""
    return [
        (buy, sell)[number % 2](100, 1 + number % 3, instrument=INSTRUMENT, client_order_id="%s-%d" % (name, number))
        for number in range(count)
    ]


async def place(core, venue, count, name, answers):
    """Both traders place `count` orders; wait for `answers` of the first. -> ids of the orders that it told"""
    async with peer(core.port, venue.traders[0]) as one, peer(core.port, venue.traders[1]) as two:
        two.send(*orders(count, name))
        one.send(*orders(count, name))
        messages = await one.until(OrderAccepted, answers)
    return {message.order_id for message in messages if type(message) is OrderAccepted}


def order_ids(database):
    return {order_id for (order_id,) in query(database, "SELECT order_id FROM orders")}


def health(persistence):
    status, text = persistence.get("/healthz")
    return status, json.loads(text)


def is_up_to_date(persistence):
    status, said = health(persistence)
    return status == 200 and said["state"] == "draining" and said["lag_commands"] == 0 and said


def samples(persistence):
    """-> {name: value} of those without labels, and of each kind of error"""
    status, text = persistence.get("/metrics")
    assert status == 200
    families = list(text_string_to_metric_families(text))
    return {s.name: s.value for family in families for s in family.samples if not set(s.labels) - {"kind"}}


async def test_a_core_that_is_killed_under_load_and_what_persistence_says_of_it_over_http(tmp_path, database):
    venue = Venue(tmp_path)
    with PersistenceProcess(venue.journal, database) as persistence:
        with CoreProcess(venue) as core:
            await define(core.ready(), venue)
            told = await place(core, venue, 400, "first", 200)
            core.kill()
        with CoreProcess(venue) as core:
            told |= await place(core.ready(), venue, 50, "second", 50)
            await until(lambda: told <= order_ids(database))
            said = await until(lambda: is_up_to_date(persistence))
            assert said["lag_seconds"] == 0
            assert core.stop() == 0
        found = samples(persistence)
        assert found["persistence_is_draining"] == 1 and found["persistence_lag_commands"] == 0
        assert found["persistence_seq"] == found["persistence_commands_total"] >= said["seq"]
        assert found["persistence_batch_seconds_count"] > 0 and found["persistence_rows_total"] > len(told)
        assert persistence.stop() == 0
        assert "stopped at command %d" % found["persistence_seq"] in persistence.log[-1]
    assert query(database, "SELECT count(*) FROM trades")[0][0] > 0
    assert main(["reconcile", venue.journal, "--database", database]) == 0


async def test_without_a_database_it_says_that_it_is_not_well(tmp_path, database):
    host = database.rpartition("@")[2].partition("/")[0]
    with PersistenceProcess(tmp_path, database.replace(host, "127.0.0.1:1")) as persistence:
        persistence.line("trying again in")
        status, said = health(persistence)
        assert (status, said["state"], said["seq"]) == (503, "connecting", 0)
        found = samples(persistence)
        assert found["persistence_errors_total"] > 0 and found["persistence_is_draining"] == 0
        assert persistence.stop() == 0


async def test_what_stood_in_a_torn_tail_never_was_and_what_the_core_writes_there_is(tmp_path, database):
    """As after a power cut under durability `write`: of an order's record there is a part, and nothing after it."""
    venue = Venue(tmp_path)
    with CoreProcess(venue) as core:
        await define(core.ready(), venue)
        await place(core, venue, 20, "kept", 20)
        await place(core, venue, 20, "torn", 20)
        core.kill()
    seq = tear(venue.journal, "torn-0")
    frontier = Frontier(venue.journal)
    frontier.look()
    assert frontier.durable_seq == seq - 1
    with PersistenceProcess(venue.journal, database) as persistence:
        await until(lambda: health(persistence)[1]["seq"] == seq - 1)
        with CoreProcess(venue) as core:
            told = await place(core.ready(), venue, 5, "other", 5)
            await until(lambda: told <= order_ids(database))
            said = await until(lambda: is_up_to_date(persistence))
            frontier.look()
            assert frontier.durable_seq >= said["seq"]
        assert persistence.stop() == 0
    assert query(database, "SELECT count(*) FROM orders WHERE client_order_id LIKE 'kept-%'") == [(40,)]
    assert query(database, "SELECT count(*) FROM orders WHERE client_order_id LIKE 'torn-%'") == [(0,)]
    assert query(database, "SELECT count(*) FROM orders WHERE client_order_id LIKE 'other-%'") == [(10,)]
    assert main(["reconcile", venue.journal, "--database", database]) == 0


def tear(journal, name):
    """Leave of the first record with an order of this name its header and a little more. -> first command in it"""
    path, offset, record = next(found for found in JournalReader(journal) if has_order(found[2], name))
    start = offset + RECORD_HEADER_BYTES + 10
    with open(path, "r+b") as file:
        file.seek(start)
        file.write(bytes(os.path.getsize(path) - start))
    return record.first_seq


def has_order(record, name):
    return any(type(c) is PlaceOrder and c.client_order_id == name for _, c in record_commands(record))
