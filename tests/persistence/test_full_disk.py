"""Postgres has no space left: the position stays, nothing is half written, and it goes on by itself."""

import asyncio
import os
import tempfile

import pytest

from tests.disks import Ballast, tmpfs
from tests.harness import SECONDS_MAX
from tests.persistence.databases import contents, drain, drainer
from tests.persistence.journals import CrowdJournal
from tests.persistence.processes import position
from tests.postgres import TEMPLATE, create_database, drop_database, execute, query, url_of

TMPFS_BYTES = 48 << 20
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
        while errors(made) < 3:
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


def errors(made):
    return made.metrics.registry.get_sample_value("persistence_errors_total", {"kind": "DiskFull"}) or 0
