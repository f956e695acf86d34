"""When to speak and when to give up, for either end of a connection. Knows no clock: times are arguments."""

import attrs

SILENT_HEARTBEATS_MAX = 3


@attrs.define
class Liveness:
    """All times are nanoseconds of one monotonic clock. The owner writes sent_ns and received_ns."""

    heartbeat_ns: int
    sent_ns: int  # when something was last sent
    received_ns: int  # when something was last received

    def next_heartbeat_ns(self):
        """The time at which a Heartbeat is due, unless something else is sent before."""
        return self.sent_ns + self.heartbeat_ns

    def is_heartbeat_due(self, now_ns):
        return now_ns >= self.next_heartbeat_ns()

    def expires_ns(self):
        """The time at which a peer that stays silent is dead: three heartbeats after its last bytes."""
        return self.received_ns + SILENT_HEARTBEATS_MAX * self.heartbeat_ns

    def is_expired(self, now_ns):
        return now_ns >= self.expires_ns()
