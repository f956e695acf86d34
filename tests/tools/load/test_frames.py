"""What the generator writes is what the codec reads, and what it reads in place is what the codec wrote."""

from protocol.codec import decode, encode
from protocol.framing import LENGTH_BYTES, FrameReader
from protocol.messages import CancelOrder, Heartbeat, OrderAccepted, OrderCancelled, OrderFilled, PlaceOrder
from tools.load.flow import NOTHING, generate
from tools.load.frames import Incoming, outgoing_of


def messages_in(data):
    buffer, ends = FrameReader().feed(bytes(data))
    return [decode(buffer, start + LENGTH_BYTES, end) for start, end in zip([0, *ends], ends)]


def accepted(request_id, order_id):
    return encode(
        OrderAccepted(1, order_id, 1, 1, 1, 1, 0, 100, 5, 0, 5, 1, 0, 0, request_id=request_id, event_seq=request_id)
    )


def test_frames_are_the_flow_with_its_request_ids():
    flow = generate(300, resting=50)
    outgoing = outgoing_of(flow, is_trusted=True)
    assert outgoing.count == 300 and outgoing.starts[-1] == len(outgoing.data)
    for index, (sent, meant) in enumerate(zip(messages_in(outgoing.data), flow.commands)):
        assert sent.request_id == index + 1
        if type(meant) is PlaceOrder:
            assert sent == meant


def test_a_trader_leaves_the_account_to_the_session():
    outgoing = outgoing_of(generate(50, resting=50), is_trusted=False)
    assert {message.account for message in messages_in(outgoing.data)} == {0}


def test_cancels_are_given_the_order_ids_that_came_back_and_only_as_far_as_they_are_sent():
    flow = generate(300, resting=50)
    outgoing = outgoing_of(flow, is_trusted=True)
    for request, target in zip(outgoing.cancels, outgoing.targets):
        outgoing.order_ids[target] = flow.commands[request].order_id
    end = outgoing.cancels[len(outgoing.cancels) // 2]  # a cancel is the first that is not yet sent
    outgoing.prepare(end)
    sent = messages_in(outgoing.data)
    assert sent[:end] == flow.commands[:end]
    assert {message.order_id for message in sent[end:] if type(message) is CancelOrder} == {0}
    outgoing.prepare(300)
    assert messages_in(outgoing.data) == flow.commands


def test_two_connections_share_a_flow_by_account():
    flow = generate(300, accounts=(1, 2), resting=50)
    parts = [outgoing_of(flow, False, (account,)) for account in (1, 2)]
    assert sorted(parts[0].places + parts[1].places) == list(range(300))
    for part in parts:
        for request, target in zip(part.cancels, part.targets):
            assert flow.cancels[part.places[request]] == part.places[target - 1] != NOTHING


def test_replies_are_counted_by_type_and_teach_order_ids_however_they_are_cut():
    stream = accepted(1, 111)
    stream += encode(OrderFilled(1, 111, 1, 1, 1, 9, 100, 5, 0, 0, request_id=1))
    stream += encode(Heartbeat()) + encode(OrderCancelled(1, 222, 1, 1, 1, 100, 5, request_id=2)) + accepted(3, 333)
    for size in (1, 7, 100, len(stream)):
        incoming = Incoming([0] * 4)
        for start in range(0, len(stream), size):
            answered = incoming.feed(stream[start : start + size])
        assert answered == 3
        assert incoming.order_ids == [0, 111, 0, 333]
        counts = incoming.counts
        assert (counts[OrderAccepted.TYPE], counts[OrderFilled.TYPE], counts[OrderCancelled.TYPE]) == (2, 1, 1)
        assert (counts[Heartbeat.TYPE], sum(counts)) == (1, 5)


def test_events_that_others_caused_answer_nothing():
    incoming = Incoming([0] * 4)
    assert incoming.feed(accepted(0, 444) + accepted(99, 555)) == 0
    assert incoming.order_ids == [0] * 4
