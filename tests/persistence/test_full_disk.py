"""Postgres has no space left: the position stays, nothing is half written, and it goes on by itself."""

import asyncio
import contextlib
import glob
import os
import shutil
import tempfile

import psycopg2
import pytest

from persistence.cluster import Cluster
from tests.disks import Ballast, tmpfs
from tests.harness import SECONDS_MAX
from tests.persistence.databases import contents, drain, drainer
from tests.persistence.journals import CrowdJournal
from tests.persistence.processes import position
from tests.postgres import TEMPLATE, create_database, drop_database, execute, query, url_of

TMPFS_BYTES = 48 << 20
SMALL = {"min_wal_size": "32MB", "max_wal_size": "32MB", "fsync": "off"}
NAME = "test_on_a_small_disk"


@pytest.fixture
def small_disk(postgres):
    """-> (address of an empty database whose files are on a file system of TMPFS_BYTES, its Ballast)"""
    with tempfile.TemporaryDirectory(prefix="small-") as directory, tmpfs(directory, TMPFS_BYTES):
        os.chmod(directory, 0o755)  # the server's user is another than root
        place = os.path.join(directory, "tablespace")
        os.mkdir(place)
        owner = os.stat(postgres.directory)
        os.chown(place, owner.st_uid, owner.st_gid)
        execute(postgres, "CREATE TABLESPACE small LOCATION '%s'" % place)
        create_database(postgres, NAME, TEMPLATE, "small")
        try:
            yield url_of(postgres, NAME), Ballast(directory)
        finally:
            drop_database(postgres, NAME)
            execute(postgres, "DROP TABLESPACE small")


async def test_a_full_disk_is_waited_for_and_nothing_is_half_written(tmp_path, small_disk, database, caplog):
    small, ballast = small_disk
    crowd = CrowdJournal(tmp_path, seed=8).add(4_000)
    crowd.close()
    last = crowd.exchange.seq - 1
    await drain(crowd.directory, small, 500, batch_events=100)
    before = position(small)
    ballast.take()

    made = drainer(crowd.directory, small, batch_events=100)
    task = asyncio.create_task(made.run())
    async with asyncio.timeout(SECONDS_MAX):
        while errors(made, "DiskFull") < 3:
            assert not task.done()
            await asyncio.sleep(0.01)
        assert made.health()["state"] == "connecting" and made.health()["lag_commands"] > 0
        assert before <= position(small) < last
        beyond = "SELECT count(*) FROM %s AS t, position AS p WHERE t.event_seq > p.event_seq"
        for table in ("orders", "order_events", "trades", "ledger_entries", "audit_logs"):
            assert query(small, beyond % table) == [(0,)], table
        assert "No space left on device; trying again in" in caplog.text
        ballast.give_back()
        while made.seq < last:
            await asyncio.sleep(0.01)
    made.stop()
    await task
    await drain(crowd.directory, database, last)
    assert contents(small) == contents(database)


@pytest.fixture
def small_wal():
    """-> (a Cluster whose write-ahead log is on a file system of TMPFS_BYTES, its Ballast)"""
    with tempfile.TemporaryDirectory(prefix="wal-") as directory:
        os.chmod(directory, 0o755)
        place = os.path.join(directory, "small")
        os.mkdir(place)
        with tmpfs(place, TMPFS_BYTES):
            cluster = Cluster(os.path.join(directory, "postgres"), settings=SMALL)
            try:
                cluster.start().stop()
                log = cluster.data / "pg_wal"
                owner = os.stat(log)
                shutil.move(log, os.path.join(place, "pg_wal"))
                os.symlink(os.path.join(place, "pg_wal"), log)
                for path in (place, *glob.glob(place + "/**", recursive=True)):
                    os.chown(path, owner.st_uid, owner.st_gid)
                yield cluster.start(), Ballast(place)
            finally:
                cluster.stop("immediate")


async def test_without_room_for_the_log_postgres_goes_down_and_nothing_is_half_written(tmp_path, small_wal, database):
    """Then Postgres panics, and cannot even recover until there is room: for persistence it is gone."""
    cluster, ballast = small_wal
    crowd = CrowdJournal(tmp_path, seed=8).add(4_000)
    crowd.close()
    last = crowd.exchange.seq - 1
    await drain(crowd.directory, cluster.url, 500, batch_events=100)
    ballast.take()

    made = drainer(crowd.directory, cluster.url, batch_events=100)
    task = asyncio.create_task(made.run())
    async with asyncio.timeout(SECONDS_MAX):
        while made.health()["state"] != "connecting" or errors(made) < 2:
            with contextlib.suppress(psycopg2.Error):
                await asyncio.to_thread(query, cluster.url, "SELECT pg_switch_wal()")  # the rest of a segment unused
            assert not task.done()
            assert made.seq < last, "there was room for all"
        assert "No space left on device" in cluster.log.read_text()
        ballast.give_back()
        while made.seq < last:
            await asyncio.to_thread(cluster.start)  # where it has not come up by itself
            await asyncio.sleep(0.1)
    made.stop()
    await task
    await drain(crowd.directory, database, last)
    assert contents(cluster.url) == contents(database)


def errors(made, kind=None):
    """-> how often it could not do what it wanted: for one reason, or for any."""
    samples = [sample for metric in made.metrics.errors.collect() for sample in metric.samples]
    counted = [sample for sample in samples if sample.name == "persistence_errors_total"]
    return sum(sample.value for sample in counted if kind in (None, sample.labels["kind"]))
