"""An end speaks once a heartbeat, and gives the other up after three of silence."""

from protocol.liveness import Liveness

SECOND = 1_000_000_000


def test_a_heartbeat_is_due_when_nothing_was_sent_for_its_time():
    liveness = Liveness(heartbeat_ns=5 * SECOND, sent_ns=0, received_ns=0)
    assert liveness.next_heartbeat_ns() == 5 * SECOND
    assert not liveness.is_heartbeat_due(5 * SECOND - 1)
    assert liveness.is_heartbeat_due(5 * SECOND)
    liveness.sent_ns = 4 * SECOND
    assert not liveness.is_heartbeat_due(5 * SECOND)
    assert liveness.is_heartbeat_due(9 * SECOND)


def test_a_peer_is_dead_after_three_heartbeats_of_silence():
    liveness = Liveness(heartbeat_ns=5 * SECOND, sent_ns=0, received_ns=0)
    assert liveness.expires_ns() == 15 * SECOND
    assert not liveness.is_expired(15 * SECOND - 1)
    assert liveness.is_expired(15 * SECOND)
    liveness.received_ns = 14 * SECOND
    assert not liveness.is_expired(15 * SECOND)


def test_what_is_sent_does_not_keep_a_silent_peer_alive():
    liveness = Liveness(heartbeat_ns=SECOND, sent_ns=0, received_ns=0)
    liveness.sent_ns = 3 * SECOND
    assert liveness.is_expired(3 * SECOND)
