"""`tools journal verify` finds every kind of damage, says where, and its advice holds."""

import os
import random

import pytest

from engine.exchange import RULES_VERSION, Exchange
from engine.recovery import recover
from engine.snapshot import state_hash
from engine.snapshots import snapshot_paths
from protocol.errors import JournalCorrupt
from protocol.journal import JournalReader, segment_paths
from tests.tools.journals import JournalMaker, flip_byte, make_journal, run_json, run_tool


@pytest.fixture
def made(tmp_path):
    return make_journal(tmp_path / "journal", 1200, snapshots=(400, 900))


def verify(made):
    code, report = run_json("journal", "verify", made.directory)
    assert code == (0 if report["ok"] else 1)
    return report


def place_of(directory, seq):
    """-> (path, offset, Record) of the record that holds a command."""
    return next(found for found in JournalReader(directory, seq))


def test_a_whole_journal_is_ok(made):
    report = verify(made)
    assert report["ok"] and report["problems"] == report["help"] == []
    assert (report["first_seq"], report["last_seq"], report["decided_from_seq"]) == (1, 1200, 1)
    assert [(s["seq"], s["state"]) for s in report["snapshots"]] == [(400, "good"), (900, "good")]


def test_a_pruned_journal_is_decided_again_from_its_oldest_snapshot(made):
    os.remove(segment_paths(made.directory)[0])
    report = verify(made)
    assert report["ok"] and report["first_seq"] > 1 and report["decided_from_seq"] == 401


def test_a_pruned_journal_without_a_snapshot_is_no_venue_any_more(made):
    os.remove(segment_paths(made.directory)[0])
    for path in snapshot_paths(made.directory):
        os.remove(path)
    report = verify(made)
    assert "no good snapshot goes with it" in report["problems"][0]["text"]
    assert report["last_seq"] == 1200  # the bytes were checked all the same


@pytest.mark.parametrize("seed", range(12))
def test_a_changed_bit_anywhere_is_found_and_the_advice_leads_to_a_core_that_starts(made, tmp_path, seed):
    chance = random.Random(seed)
    path, offset, record = place_of(made.directory, chance.randint(1, 1200))
    flip_byte(path, offset + chance.randrange(40 + len(record.commands) + len(record.events)))
    report = verify(made)
    problem = report["problems"][0]
    assert (problem["path"], problem["offset"], problem["seq"]) == (path, offset, record.first_seq)
    intact = record.first_seq - 1
    assert report["last_seq"] == intact
    left = max(intact, 900)  # the newest snapshot
    if any("A core does start" in line for line in report["help"]):
        left = 1200
    else:
        assert any("truncate %s --at-seq %d`" % (made.directory, left) in line for line in report["help"])
        code, _, err = run_tool("journal", "truncate", made.directory, "--at-seq", left, "--yes")
        assert code == 0, err
    exchange = recover(made.directory, None, 16).sequencer.exchange
    assert (exchange.seq, state_hash(exchange)) == (left, expected_hash(tmp_path, left))


def expected_hash(tmp_path, seq):
    """Of the same venue after so many commands, from a journal without damage."""
    make_journal(tmp_path / "again", 1200, snapshots=(400, 900))
    return run_json("journal", "replay", tmp_path / "again", "--stop-at", seq)[1]["state_hash"]


def test_a_missing_segment_is_named(made):
    paths = segment_paths(made.directory)
    os.remove(paths[2])
    report = verify(made)
    assert report["problems"][0]["path"] == paths[3]
    assert "a segment is missing" in report["problems"][0]["text"]


def test_damage_before_the_snapshot_does_not_stop_a_core(made):
    flip_byte(segment_paths(made.directory)[0], 5000)
    report = verify(made)
    assert not report["ok"] and any("A core does start" in line for line in report["help"])
    assert recover(made.directory, None, 16).sequencer.exchange.seq == 1200


def test_of_two_damages_the_advice_keeps_what_stands_between_snapshot_and_second(made):
    flip_byte(segment_paths(made.directory)[0], 5000)
    path, offset, record = place_of(made.directory, 1150)
    flip_byte(path, offset + 100)
    report = verify(made)
    assert report["problems"][0]["path"] == segment_paths(made.directory)[0]
    left = record.first_seq - 1
    assert any("truncate %s --at-seq %d`" % (made.directory, left) in line for line in report["help"])
    assert run_tool("journal", "truncate", made.directory, "--at-seq", left, "--yes")[0] == 0
    assert recover(made.directory, None, 16).sequencer.exchange.seq == left


def test_a_torn_end_is_no_damage(made):
    path, offset, _ = place_of(made.directory, 1200)
    with open(path, "r+b") as file:
        file.seek(offset + 60)
        file.write(bytes(os.path.getsize(path) - offset - 60))
    report = verify(made)
    assert report["ok"] and report["end"].startswith("torn") and report["last_seq"] == 1199


def test_an_engine_that_decides_otherwise_is_found_with_the_command(tmp_path, monkeypatch):
    maker = JournalMaker(tmp_path)
    apply = Exchange.apply

    def cheat(exchange, seq, now_ns, command):
        events = apply(exchange, seq, now_ns, command)
        if seq == 5:
            events[0].account += 1
        return events

    monkeypatch.setattr(Exchange, "apply", cheat)
    maker.trade(20)
    maker.close()
    monkeypatch.undo()
    report = verify(maker)
    problem = report["problems"][0]
    assert problem["seq"] == 5 and "gives" in problem["text"] and problem["path"].endswith(".journal")
    assert any("--from-seq 5 --to-seq 5" in line for line in report["help"])


def test_a_damaged_snapshot_is_a_failed_check(made):
    path = snapshot_paths(made.directory)[0]
    flip_byte(path, 80)
    report = verify(made)
    assert [s["state"] for s in report["snapshots"]] == ["good", "damaged"] and not report["ok"]


def test_a_snapshot_of_another_state_is_found(made, tmp_path):
    other = JournalMaker(tmp_path / "other", seed=2)
    other.trade(400 - other.seq)
    path = other.snapshot()
    other.close()
    os.replace(path, os.path.join(made.directory, os.path.basename(path)))
    report = verify(made)
    assert [s["state"] for s in report["snapshots"]] == ["wrong", "good"]
    assert "holds another state" in report["problems"][0]["text"]


def test_a_snapshot_ahead_of_the_journal_is_found(tmp_path):
    maker = JournalMaker(tmp_path)
    maker.trade(30)
    place = place_of(tmp_path, maker.seq)
    maker.snapshot()
    maker.close()
    with open(place[0], "r+b") as file:  # as if the last record had never reached the disk
        file.seek(place[1])
        file.write(bytes(1000))
    report = verify(maker)
    assert "after the journal's end" in report["problems"][0]["text"] and report["snapshots"][0]["state"] == "wrong"
    with pytest.raises(JournalCorrupt, match="before the snapshot"):
        recover(str(tmp_path), None, 16)
    assert "truncate %s --at-seq %d`" % (tmp_path, maker.seq) in report["help"][1]
    assert run_tool("journal", "truncate", tmp_path, "--at-seq", maker.seq, "--yes")[0] == 0
    exchange = recover(str(tmp_path), None, 16).sequencer.exchange
    assert state_hash(exchange) == state_hash(maker.sequencer.exchange)
    assert verify(maker)["ok"]


def test_other_rules_are_refused(made, monkeypatch):
    monkeypatch.setattr("tools.journal.state.RULES_VERSION", RULES_VERSION + 1)
    code, _, err = run_tool("journal", "verify", made.directory)
    assert code == 1 and "made under rules %d; this version has %d" % (RULES_VERSION, RULES_VERSION + 1) in err


def test_text_ends_with_the_verdict(made):
    code, out, _ = run_tool("journal", "verify", made.directory)
    assert code == 0 and out.endswith("OK\n")
    flip_byte(segment_paths(made.directory)[0], 5000)
    code, out, _ = run_tool("journal", "verify", made.directory)
    assert code == 1 and out.endswith("NOT OK\n") and "PROBLEM at command" in out
