"""Parts of the benchmarks that could be wrong without anybody noticing."""

import socket

import pytest

from gateway.streams.frames import text_frame
from perf import orders
from perf.batches import flow_frames, new_sequencer, split, submit_commands, submit_frames
from perf.flamegraph import collapsed, flame_graph
from perf.peers.compare import write_flow
from perf.redis_server import Replies, sets_of
from perf.stream_clients import Client, Receipts, figures_of
from tools.load.flow import generate
from tools.load.frames import outgoing_of
from tools.load.session import LoadError


def test_batches_are_the_flow_and_both_ways_to_submit_them_give_the_same_events():
    flow = generate(500, resting=100)
    batches = split(flow_frames(flow), 120)
    assert [command for _, _, commands in batches for command in commands] == flow.commands
    assert [len(ends) for _, ends, _ in batches] == [120, 120, 120, 120, 20]
    one, other = new_sequencer(), new_sequencer()
    for frames, ends, commands in batches:
        submit_commands(one, frames, commands)
        submit_frames(other, frames, ends)
    first, second = one.take().record, other.take().record
    assert first.commands == second.commands and first.event_count == second.event_count == flow.events + 1


def test_a_funded_venue_gives_the_same_orders_and_trades():
    flow = generate(500, resting=100)
    plain, funded = new_sequencer().exchange, new_sequencer((1,)).exchange
    for command in flow.commands:
        kinds = [
            [(type(event), getattr(event, "order_id", 0)) for event in exchange.apply(exchange.seq + 1, 0, command)]
            for exchange in (plain, funded)
        ]
        assert kinds[0] == kinds[1]
    funded.check()
    assert plain.trade_count == funded.trade_count > 0
    assert funded.ledger.assets[2].available[0] > 0  # fees


def test_the_kinds_of_orders_do_what_is_measured(monkeypatch):
    monkeypatch.setattr(orders, "WARM_UP_ROUNDS", 0)
    assert orders.sweeps(1) > 0
    assert orders.waiting_stops(1, 100) > 0
    assert min(orders.election(1)) > 0


def test_redis_is_given_one_set_a_frame_with_the_frame_as_its_value():
    outgoing = outgoing_of(generate(50, resting=50), is_trusted=False)
    sets = sets_of(outgoing)
    frame = bytes(outgoing.data[outgoing.starts[1] : outgoing.starts[2]])
    expected = b"*3\r\n$3\r\nSET\r\n$12\r\norder:000001\r\n$%d\r\n%s\r\n" % (len(frame), frame)
    assert sets.count == 50
    assert bytes(sets.data[sets.starts[1] : sets.starts[2]]) == expected


def test_replies_of_redis_are_counted_however_they_are_cut_and_an_error_is_no_answer():
    replies = Replies()
    assert [replies.feed(part) for part in (b"+OK\r", b"\n+OK\r\n", b"+O", b"K\r\n")] == [0, 2, 2, 3]
    with pytest.raises(LoadError):
        replies.feed(b"-ERR unknown command\r\n")


def test_the_flow_for_peers_tells_what_is_filled_after_each_command(tmp_path):
    flow = generate(400, resting=100)
    fills, filled = write_flow(flow, tmp_path / "flow.csv")
    lines = (tmp_path / "flow.csv").read_text().splitlines()
    assert len(lines) == 400 and len(fills) == len(filled) == 401
    assert fills == sorted(fills) and fills[-1] > 0
    assert lines.count("C,,0,0,%d" % next(t for t in flow.cancels if t >= 0)) == 1
    assert sum(line.startswith("I,") for line in lines) == flow.kinds()["aggressive"]


def test_a_flame_graph_has_a_box_for_each_call_as_wide_as_its_share():
    def outer():
        pass

    def inner():
        pass

    stacks = collapsed({(inner.__code__, outer.__code__): 3, (outer.__code__,): 1})
    assert sorted(len(stack) for stack in stacks) == [1, 2] and sum(stacks.values()) == 4
    drawn = flame_graph(stacks)
    assert "outer: 4 samples, 100.0 %" in drawn and "inner: 3 samples, 75.0 %" in drawn


def test_a_stream_client_takes_frames_however_they_are_cut_with_the_times_of_the_piece_that_ends_them():
    first, second = b'{"type":"trade_executed","n":"%s"}' % (b"x" * 200), b'{"type":"depth_update"}'
    ping = b"\x89\x04ping"
    data = b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + text_frame(first) + ping + text_frame(second)
    ends = {first: data.index(b"\x89\x04"), second: len(data)}
    for cut in range(1, len(data)):
        with socket.create_server(("127.0.0.1", 0)) as server:
            receipts = Receipts()
            client = Client(server.getsockname()[1], [], receipts)
            other, _ = server.accept()
            with client.socket, other:
                client.take(data[:cut], 1, 10)
                client.take(data[cut:], 2, 20)
                client.socket.shutdown(socket.SHUT_WR)
                sent = b""
                while part := other.recv(4096):
                    sent += part
        assert sent.endswith(b"\r\n\r\n\x8a\x84\0\0\0\0ping")
        for frame, end in ends.items():
            assert list(receipts.read[frame]) == [1 if end <= cut else 2]
            assert list(receipts.arrived[frame]) == [10 if end <= cut else 20]
        assert client.is_ready and receipts.frames == 2


def test_figures_of_streams_are_of_every_client_and_tell_what_never_came():
    receipts = Receipts()
    for times in ((11_000_000, 9_000_000), (13_000_000, 10_000_000)):
        receipts.took(b'{"type":"trade_executed","trade_id":"7"}', *times)
    receipts.took(b'{"type":"depth_update","bids":[],"asks":[["5.00","0.0"]]}', 12_000_000, 11_000_000)
    found = figures_of(receipts, {"trade 7": 1_000_000, "depth 5.00 0 0": 2_000_000})
    assert (found["trade_ms"]["min"], found["trade_ms"]["max"]) == (10.0, 12.0)
    assert (found["trade_ms_until_in_the_kernel"]["max"], found["trade_ms_of_the_first_client"]["max"]) == (9.0, 8.0)
    assert found["depth_ms"]["max"] == 10.0 and found["clients_add_ms"]["max"] == 3.0
    assert found["fewest_clients_of_an_event"] == 1
    assert figures_of(receipts, {"trade 8": 1_000_000})["fewest_clients_of_an_event"] == 0
