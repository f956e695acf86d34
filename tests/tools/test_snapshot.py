"""`tools snapshot`: the state of the core, never ahead of what is durable, under a running core too."""

import asyncio
import os

from engine.disk import Disk
from engine.journal import lock_directory
from engine.recovery import recover
from engine.snapshot import state_hash
from engine.snapshots import read_snapshot, snapshot_paths
from protocol.client import TradingClient
from protocol.journal import segment_paths
from tests.harness import HOST, CoreProcess, Venue, eventually
from tests.tools.journals import JournalMaker, flip_byte, make_journal, run_json, run_tool


def test_the_snapshot_is_the_state_of_the_core(tmp_path):
    made = make_journal(tmp_path, 800)
    code, result = run_json("snapshot", tmp_path)
    sequencer = made.sequencer
    assert code == 0
    assert (result["seq"], result["event_seq"], result["replayed"]) == (800, sequencer.event_seq, 800)
    assert result["state_hash"] == state_hash(sequencer.exchange) == state_hash(read_snapshot(result["path"]).exchange)
    recovered = recover(made.directory, None, 16)
    assert (recovered.snapshot_seq, recovered.sequencer.time_ns) == (800, sequencer.time_ns)


def test_it_goes_on_from_the_snapshot_before(tmp_path):
    make_journal(tmp_path, 800, snapshots=(500,))
    assert run_json("snapshot", tmp_path)[1]["replayed"] == 300
    assert run_json("snapshot", tmp_path)[1]["path"] == ""
    assert "nothing new" in run_tool("snapshot", tmp_path)[1]


def test_of_a_running_core_the_newest_record_is_left_out(tmp_path):
    maker = JournalMaker(tmp_path)
    maker.trade(50, size=5)  # the last record is one Tick
    disk = Disk()
    lock = lock_directory(disk, tmp_path)
    assert run_json("snapshot", tmp_path)[1]["seq"] == maker.seq - 1
    disk.close(lock)
    assert run_json("snapshot", tmp_path)[1]["seq"] == maker.seq
    maker.close()


def test_a_damaged_journal_gives_no_snapshot(tmp_path):
    made = make_journal(tmp_path, 600)
    flip_byte(segment_paths(made.directory)[0], 5000)
    code, _, err = run_tool("snapshot", tmp_path)
    assert code == 1 and "at byte" in err and "verify" in err and snapshot_paths(made.directory) == []


async def test_snapshot_and_prune_while_a_core_trades(tmp_path):
    """Snapshots and prunes under load, then kill -9: the core comes back from them with every acknowledged order."""
    venue = Venue(tmp_path)
    loop = asyncio.get_running_loop()
    with CoreProcess(venue) as core:
        core.ready()
        number, secret = venue.trusted
        async with TradingClient(HOST, core.trusted_port, key=number, secret=secret) as client:
            await client.define_instrument(1, "BTC-USDT", price_scale=2, quantity_scale=2, collar_bps=100)
            placed = []
            is_done = False

            async def trade():
                while not is_done:
                    order = {"instrument": 1, "side": "buy", "price": 100, "quantity": 1, "account": 1}
                    placed.extend(await asyncio.gather(*[client.place(**order) for _ in range(20)]))

            trading = asyncio.ensure_future(trade())
            seqs = []
            for _ in range(3):
                segments = len(segment_paths(venue.journal))
                # tens of records a segment
                await eventually(lambda n=segments: len(segment_paths(venue.journal)) > n or trading.done())
                code, result = await loop.run_in_executor(None, run_json, "snapshot", venue.journal)
                assert code == 0
                seqs.append(result["seq"])
                await loop.run_in_executor(None, run_json, "journal", "prune", venue.journal)
            is_done = True
            await trading
        core.kill()
    assert seqs == sorted(seqs) and len(snapshot_paths(venue.journal)) == 2
    assert not os.path.exists(os.path.join(venue.journal, "%020d.journal" % 1))
    exchange = recover(venue.journal, None, 1024).sequencer.exchange
    assert [exchange.orders.find(order.order_id) != 0 for order in placed] == [True] * len(placed) and placed
