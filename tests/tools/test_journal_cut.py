"""`tools journal prune` and `truncate`: what is needed stays, nothing is destroyed, a core starts from what is left."""

import os
from pathlib import Path

import pytest

from engine.disk import Disk
from engine.journal import lock_directory
from engine.recovery import recover
from engine.snapshot import state_hash
from engine.snapshots import snapshot_paths
from protocol.errors import JournalCorrupt
from protocol.journal import JournalReader, first_seq_of, segment_paths
from protocol.messages import OrderAccepted
from tests.harness import Venue, buy, peer, serving
from tests.tools.journals import flip_byte, make_journal, run_json, run_tool
from tools.journal.dump import dumped


@pytest.fixture
def made(tmp_path):
    return make_journal(tmp_path / "journal", 1200, snapshots=(400, 900))


def names(paths):
    return [os.path.basename(path) for path in paths]


def recovered_seq_and_hash(made):
    exchange = recover(made.directory, None, 16).sequencer.exchange
    return exchange.seq, state_hash(exchange)


# --- prune -----------------------------------------------------------------------------------------------------------


def test_prune_keeps_all_that_a_recovery_needs(made):
    before = recovered_seq_and_hash(made)
    paths = segment_paths(made.directory)
    code, result = run_json("journal", "prune", made.directory)
    left = segment_paths(made.directory)
    assert code == 0 and result["files"] == names(paths[: -len(left)]) and len(result["files"]) > 1
    assert first_seq_of(left[0]) <= 901 < first_seq_of(left[1])
    assert recovered_seq_and_hash(made) == before
    assert run_tool("journal", "verify", made.directory)[0] == 0


def test_prune_twice_removes_nothing_more(made):
    run_tool("journal", "prune", made.directory)
    assert run_json("journal", "prune", made.directory)[1]["files"] == []


def test_dry_run_removes_nothing(made):
    paths = segment_paths(made.directory)
    _, result = run_json("journal", "prune", made.directory, "--dry-run")
    assert result["files"] and segment_paths(made.directory) == paths


@pytest.mark.parametrize("seq", [1, 300, 700, 901, 5000])
def test_what_is_still_read_elsewhere_is_kept(made, seq):
    run_tool("journal", "prune", made.directory, "--keep-from-seq", seq)
    left = segment_paths(made.directory)
    assert first_seq_of(left[0]) <= min(seq, 901) and (len(left) == 1 or first_seq_of(left[1]) > min(seq, 901))
    assert len(list(JournalReader(made.directory, min(seq, 901)))) > 0


def test_without_a_good_snapshot_nothing_goes(made):
    for path in snapshot_paths(made.directory):
        flip_byte(path, 70)
    paths = segment_paths(made.directory)
    code, _, err = run_tool("journal", "prune", made.directory)
    assert code == 1 and "no good snapshot" in err and segment_paths(made.directory) == paths


def test_a_damaged_newest_snapshot_does_not_count(made):
    flip_byte(snapshot_paths(made.directory)[0], 70)
    _, result = run_json("journal", "prune", made.directory)
    assert result["snapshot_seq"] == 400 and first_seq_of(segment_paths(made.directory)[0]) <= 401


def test_the_newest_segment_never_goes(tmp_path):
    made = make_journal(tmp_path, 600, snapshots=(600,))
    run_tool("journal", "prune", tmp_path)
    assert len(segment_paths(made.directory)) == 1
    assert recovered_seq_and_hash(made)[0] == 600


def test_nothing_goes_before_a_damaged_header(made):
    paths = segment_paths(made.directory)
    flip_byte(paths[1], 3)
    code, _, err = run_tool("journal", "prune", made.directory)
    assert code == 1 and paths[1] in err and segment_paths(made.directory) == paths


# --- truncate --------------------------------------------------------------------------------------------------------


def test_truncate_only_says_what_it_would_do(made):
    before = recovered_seq_and_hash(made)
    seq = record_end(made, 500)
    code, out, err = run_tool("journal", "truncate", made.directory, "--at-seq", seq)
    assert code == 2 and "would be cut" in out and "--yes" in err and recovered_seq_and_hash(made) == before


def record_end(made, seq):
    """The last command of the record that holds this one."""
    return next(record.next_seq - 1 for _, _, record in JournalReader(made.directory, seq))


def test_what_is_cut_off_is_kept_aside_byte_for_byte(made):
    seq = record_end(made, 500)
    content = {path.name: path.read_bytes() for path in Path(made.directory).glob("*.journal")}
    snapshot = snapshot_paths(made.directory)[0]
    code, plan = run_json("journal", "truncate", made.directory, "--at-seq", seq, "--yes")
    assert code == 0 and plan["done"]
    assert recovered_seq_and_hash(made)[0] == seq
    aside = {path.name: path.read_bytes() for path in Path(plan["aside"]).iterdir()}
    assert aside.pop(os.path.basename(snapshot))
    assert aside == {name: data for name, data in content.items() if name >= os.path.basename(plan["path"])}
    assert names(snapshot_paths(made.directory)) == ["%020d.snapshot" % 400]


def test_a_core_goes_on_from_where_it_was_cut(made, tmp_path):
    seq = record_end(made, 500)
    run_tool("journal", "truncate", made.directory, "--at-seq", seq, "--yes")
    exchange = type(made.sequencer.exchange)()
    for number, _, time_ns, command, _ in dumped(made.directory):
        exchange.apply(number, time_ns, command)
    assert recovered_seq_and_hash(made) == (seq, state_hash(exchange))


def test_a_record_is_never_cut_in_two(made):
    end = record_end(made, 500)
    paths = segment_paths(made.directory)
    code, _, err = run_tool("journal", "truncate", made.directory, "--at-seq", end - 1, "--yes")
    assert code == 1 and "not after %d" % (end - 1) in err and segment_paths(made.directory) == paths


@pytest.mark.parametrize(
    "seq, text", [(1200, "nothing stands after"), (1300, "after command 1200, not after 1300: it")]
)
def test_there_must_be_something_to_cut(made, seq, text):
    code, _, err = run_tool("journal", "truncate", made.directory, "--at-seq", seq, "--yes")
    assert code == 1 and text in err


def test_truncate_refuses_what_leaves_no_beginning(made):
    os.remove(segment_paths(made.directory)[0])
    code, _, err = run_tool("journal", "truncate", made.directory, "--at-seq", 390, "--yes")
    assert code == 1 and "no state is left to start from" in err


def test_truncate_refuses_under_a_running_core(made):
    disk = Disk()
    lock = lock_directory(disk, made.directory)
    seq = record_end(made, 500)
    code, _, err = run_tool("journal", "truncate", made.directory, "--at-seq", seq, "--yes")
    disk.close(lock)
    assert code == 1 and "a core is running" in err and recovered_seq_and_hash(made)[0] == 1200


def test_a_damaged_segment_header_is_cut_off_as_a_whole(made):
    paths = segment_paths(made.directory)
    flip_byte(paths[3], 3)
    seq = first_seq_of(paths[3]) - 1
    code, plan = run_json("journal", "truncate", made.directory, "--at-seq", seq, "--yes")
    assert code == 0 and plan["path"] == paths[2] and recovered_seq_and_hash(made)[0] == seq


def test_a_damaged_record_before_the_snapshot_costs_no_command(made):
    """The core does not start: the segment it needs is damaged, though in a part that the snapshot stands for."""
    needed = [path for path in segment_paths(made.directory) if first_seq_of(path) <= 901][-1]
    flip_byte(needed, 200)
    with pytest.raises(JournalCorrupt):
        recover(made.directory, None, 16)
    files = names(segment_paths(made.directory))
    code, plan = run_json("journal", "truncate", made.directory, "--at-seq", 900, "--yes")
    assert code == 0 and recovered_seq_and_hash(made)[0] == 900
    assert names(segment_paths(made.directory)) == ["%020d.journal" % 901]
    assert sorted(os.listdir(plan["aside"])) == files
    assert run_tool("journal", "verify", made.directory)[0] == 0


async def test_a_core_goes_on_after_a_beginning_anew(tmp_path):
    venue = Venue(tmp_path)
    made = make_journal(venue.journal, 600, snapshots=(600,))
    for path in segment_paths(made.directory):
        flip_byte(path, 200)
    assert run_tool("journal", "truncate", made.directory, "--at-seq", 600, "--yes")[0] == 0
    async with serving(venue) as core, peer(core.port, venue.traders[0]) as trader:
        trader.send(buy(100, 5))
        (accepted,) = await trader.until(OrderAccepted)
    assert accepted.event_seq == made.sequencer.event_seq + 1
    code, report = run_json("journal", "verify", made.directory)
    assert code == 0 and report["first_seq"] == 601 and report["last_seq"] > 600
