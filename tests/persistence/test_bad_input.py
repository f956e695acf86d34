"""What cannot be drained: a clear message, an end or another try as fits, and nothing half written."""

import asyncio
import json
import os
import shutil
from pathlib import Path

import attrs
import pytest

from persistence.drainer import Fatal
from persistence.tail import JournalRefused, Position, Tail
from protocol.errors import JournalCorrupt
from protocol.journal import segment_paths
from protocol.records import SECTOR_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader, read_segment_header
from tests.harness import SECONDS_MAX
from tests.persistence.databases import contents, drain, drainer
from tests.persistence.journals import CrowdJournal
from tests.persistence.processes import PersistenceProcess, position, until_at
from tests.postgres import drop_database, fresh_database, query, url_of
from tests.tools.journals import flip_byte

BEYOND_POSITION = "SELECT count(*) FROM order_events e, position p WHERE e.event_seq > p.event_seq"


@pytest.fixture
def crowd(tmp_path):
    directory = tmp_path / "journal"
    directory.mkdir()
    made = CrowdJournal(directory, seed=3).add(1_500)
    made.close()
    assert len(segment_paths(made.directory)) >= 3
    return made


async def until_refused(crowd, database, error):
    """-> the text with which a drainer gives up"""
    made = drainer(crowd.directory, database, batch_events=100)
    with pytest.raises(error) as caught:
        async with asyncio.timeout(SECONDS_MAX):
            await made.run()
    assert made.health()["state"] == "failed"
    return str(caught.value)


async def test_a_changed_byte_is_met_where_it_stands(crowd, database):
    path = segment_paths(crowd.directory)[1]
    flip_byte(path, SEGMENT_HEADER_BYTES + 5_000)
    text = await until_refused(crowd, database, JournalCorrupt)
    assert path in text
    good = int(os.path.basename(path).split(".")[0])
    assert good - 1 <= position(database) < crowd.exchange.seq
    assert query(database, "SELECT max(event_seq) FROM order_events") <= query(
        database, "SELECT event_seq FROM position"
    )


async def test_another_format_or_other_rules(crowd, database):
    path = segment_paths(crowd.directory)[0]
    whole = Path(path).read_bytes()
    with open(path, "r+b") as file:
        file.seek(8)
        file.write(b"\x00\x63")
    assert "journal format 99; this version reads 1" in await until_refused(crowd, database, JournalCorrupt)
    header = SegmentHeader(99, 7, 1, 1, 0).pack()
    with open(path, "r+b") as file:
        file.write(header + whole[len(header) :])
    assert "made under rules 99" in await until_refused(crowd, database, JournalRefused)


async def test_what_came_before_other_rules_is_drained(crowd, database):
    path = segment_paths(crowd.directory)[-1]
    with open(path, "r+b") as file:
        header = read_segment_header(file.read(SEGMENT_HEADER_BYTES), path)
        file.seek(0)
        file.write(SegmentHeader(99, *attrs.astuple(header)[1:]).pack())
    assert path + " was made under rules 99" in await until_refused(crowd, database, JournalRefused)
    assert position(database) == header.first_seq - 1


async def test_a_database_that_was_filled_under_other_rules(crowd, database):
    await drain(crowd.directory, database, 500, batch_events=50)
    query(database, "UPDATE position SET rules_version = 1")
    assert "filled under rules 1" in await until_refused(crowd, database, JournalRefused)


async def test_the_journal_of_another_venue(crowd, database, tmp_path):
    await drain(crowd.directory, database, 500, batch_events=50)
    before = contents(database)
    other = CrowdJournal(tmp_path, seed=4, venue_id=12).add(1_500)
    other.close()
    text = await until_refused(other, database, JournalRefused)
    assert "is the journal of venue 12, and the database is of venue %d" % (2**63 + 11) in text
    assert contents(database) == before


async def test_another_journal_of_the_same_venue(crowd, database, tmp_path):
    await drain(crowd.directory, database, 500, batch_events=50)
    other = CrowdJournal(tmp_path, seed=4).add(1_500)
    other.close()
    text = await until_refused(other, database, JournalRefused)
    assert "not the journal that it was filled from" in text
    shutil.rmtree(crowd.directory)
    os.mkdir(crowd.directory)
    assert "no journal, and the database is at command" in await until_refused(crowd, database, JournalRefused)


async def test_pruned_as_far_as_the_database_is_it_goes_on(crowd, database):
    last = crowd.exchange.seq - 1
    await drain(crowd.directory, database, last // 2, batch_events=50)
    at = position(database)
    first_seqs = [int(os.path.basename(path).split(".")[0]) for path in segment_paths(crowd.directory)]
    kept = max(index for index, seq in enumerate(first_seqs) if seq <= at + 1)
    for path in segment_paths(crowd.directory)[:kept]:
        os.remove(path)
    await drain(crowd.directory, database, last)
    assert position(database) == last


async def test_pruned_further_than_the_database_is(crowd, database):
    await drain(crowd.directory, database, 100, batch_events=50)
    for path in segment_paths(crowd.directory)[:-1]:
        os.remove(path)
    text = await until_refused(crowd, database, JournalRefused)
    assert (
        "the journal starts at command" in text and "the database needs command %d" % (position(database) + 1) in text
    )


async def test_a_torn_tail_is_waited_for_and_overwritten(crowd, tmp_path, database):
    """As after a power cut: half a record stands at the end; the core drops it and writes another there."""
    path = segment_paths(crowd.directory)[-1]
    whole = Path(path).read_bytes()
    tail = Tail(crowd.directory, Position())
    while tail.next() is not None:
        pass
    start = tail._offset  # of the last record, which nothing follows
    tail.close()
    torn = whole[: start + 40] + bytes(len(whole) - start - 40)
    with open(path, "r+b") as file:
        file.write(torn)
    durable = crowd.exchange.seq - 1
    made = drainer(crowd.directory, database)
    task = asyncio.create_task(made.run())
    async with asyncio.timeout(SECONDS_MAX):
        while made.seq < durable - 20 or made.health()["state"] != "draining":
            await asyncio.sleep(0.01)
        before = made.seq
        with open(path, "r+b") as file:
            file.write(whole)
        assert not task.done() and before <= durable
    made.stop()
    await task


def test_a_record_that_the_core_writes_while_the_tail_looks(crowd, monkeypatch):
    """Between finding that there is none and looking what there is instead."""
    path = segment_paths(crowd.directory)[-1]
    whole = Path(path).read_bytes()
    header = read_segment_header(whole[:SEGMENT_HEADER_BYTES], path)
    Path(path).write_bytes(whole[: SEGMENT_HEADER_BYTES + 10] + bytes(len(whole) - SEGMENT_HEADER_BYTES - 10))
    tail = Tail(crowd.directory, Position())
    while tail.next() is not None:
        pass
    assert tail.seq == header.first_seq - 1
    read = os.pread

    def written_meanwhile(fd, size, offset):
        if size == SECTOR_BYTES:
            Path(path).write_bytes(whole)
        return read(fd, size, offset)

    monkeypatch.setattr(os, "pread", written_meanwhile)
    assert tail.next() is None
    while tail.next() is not None:
        pass
    assert tail.seq > header.first_seq
    tail.close()


def test_a_journal_that_is_not_there_yet_is_waited_for(tmp_path, database):
    """A wrong directory is no journal either: it is told, and is no good health."""
    directory = tmp_path / "nowhere"
    with PersistenceProcess(directory, database) as process:
        assert "WARNING %s: no journal yet" % directory in process.line("no journal yet")
        status, text = process.get("/healthz")
        assert (status, json.loads(text)["state"]) == (503, "waiting")
        directory.mkdir()
        crowd = CrowdJournal(directory, seed=3).add(100)
        process.line("draining from command 1;")
        until_at(database, crowd.exchange.seq - 1)
        status, text = process.get("/healthz")
        assert (status, json.loads(text)["state"]) == (200, "draining")
        crowd.close()
        assert process.stop() == 0
        assert len([line for line in process.log if "no journal yet" in line]) == 1


def test_waiting_for_a_journal_ends_when_it_is_told_to(tmp_path, database):
    with PersistenceProcess(tmp_path, database) as process:  # it is there, and empty
        process.line("no journal yet")
        assert process.stop() == 0
        assert not [line for line in process.log if "draining from" in line]


def test_a_process_says_why_it_ends(crowd, database):
    password = database.partition("@")[0].rpartition(":")[2]
    with PersistenceProcess(crowd.directory, database.replace(password, "wrong-secret")) as process:
        assert process.wait() == 1
        assert "Postgres does not let us in" in process.log[-1] and "password authentication failed" in process.log[-1]
        assert "wrong-secret" not in "\n".join(process.log)
    with PersistenceProcess(crowd.directory, database.rpartition("/")[0] + "/nowhere") as process:
        assert process.wait() == 1
        assert 'database "nowhere" does not exist' in process.log[-1]
    with PersistenceProcess(crowd.directory, "") as process:
        assert process.wait() == 2
        assert "no database" in process.log[-1]
    with PersistenceProcess(crowd.directory, database, "--batch-events", "0") as process:
        assert process.wait() == 2
        assert "batch_events must be 1 to 200000" in process.log[-1]
    query(database, "INSERT INTO schema_migrations (version, name, checksum) VALUES (999, 'later', 'x')")
    with PersistenceProcess(crowd.directory, database) as process:
        assert process.wait() == 1
        assert "schema version 999, of a newer version of this program" in process.log[-1]


@pytest.mark.parametrize(
    ("attributes", "grant", "why"),
    [
        ("LOGIN", "REVOKE CREATE ON SCHEMA public FROM PUBLIC", "does not let us migrate: permission denied"),
        ("NOLOGIN", "", "does not let us in"),
        ("LOGIN", "REVOKE CONNECT ON DATABASE {database} FROM PUBLIC", "permission denied for database"),
    ],
)
async def test_a_role_without_rights_is_told_so(crowd, postgres, attributes, grant, why):
    name = fresh_database(postgres, "template0")
    role = name + "_role"
    query(postgres.url, "CREATE ROLE %s %s PASSWORD 'a'" % (role, attributes))
    address = url_of(postgres, name)
    if grant:
        query(address, grant.format(database=name))
    try:
        password = address.partition("@")[0].rpartition(":")[2]
        text = await until_refused(crowd, address.replace("venue:" + password, role + ":a"), Fatal)
        assert why in text and ":a@" not in text
    finally:
        drop_database(postgres, name)
        query(postgres.url, "DROP ROLE " + role)


async def test_a_read_only_database_is_tried_again(crowd, database):
    name = database.rpartition("/")[2]
    query(database, 'ALTER DATABASE "%s" SET default_transaction_read_only = on' % name)
    made = drainer(crowd.directory, database)
    task = asyncio.create_task(made.run())
    async with asyncio.timeout(SECONDS_MAX):
        while not made.metrics.registry.get_sample_value(
            "persistence_errors_total", {"kind": "ReadOnlySqlTransaction"}
        ):
            await asyncio.sleep(0.01)
        assert made.seq == 0
        await asyncio.to_thread(query, database, 'SET TRANSACTION READ WRITE; ALTER DATABASE "%s" RESET ALL' % name)
        while made.seq < crowd.exchange.seq - 1:
            await asyncio.sleep(0.01)
    made.stop()
    await task


async def test_what_the_schema_does_not_take_stops_it(crowd, database):
    query(database, "ALTER TABLE trades ADD CHECK (trade_id < 100)")
    text = await until_refused(crowd, database, Fatal)
    assert "Postgres does not take a batch" in text
    assert query(database, "SELECT count(*) FROM trades")[0][0] < 100
    assert query(database, "SELECT max(event_seq) FROM order_events") <= query(
        database, "SELECT event_seq FROM position"
    )


async def test_times_from_one_end_to_the_other(tmp_path, database):
    """A clock that is centuries wrong is no reason to stop: partitions are made for whatever comes."""
    crowd = CrowdJournal(tmp_path, seed=6)
    crowd.time_ns = 0
    crowd.sequencer.time_ns = 0
    crowd.add(100)
    crowd.time_ns = 2**63 - 10**15
    crowd.add(100)
    await drain(tmp_path, database, crowd.exchange.seq - 1)
    assert query(database, "SELECT extract(year FROM time)::int FROM position") == [(2262,)]
    crowd.close()


def test_every_event_there_is_is_understood():
    from persistence import administration
    from persistence.depth import DepthRecorder
    from persistence.rows import Builder
    from persistence.state import State
    from protocol.messages import MESSAGES, Event

    known = {**Builder(State(), DepthRecorder(1, 1))._handlers, **administration.HANDLERS}
    assert sorted(known) == sorted(number for number, cls in MESSAGES.items() if issubclass(cls, Event))


def test_the_rules_are_the_engines():
    from engine.exchange import RULES_VERSION
    from persistence import tail

    assert tail.RULES_VERSION == RULES_VERSION
