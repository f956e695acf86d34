"""How many commands a session may send: a token bucket in integers. Pure: time comes with the call.

It holds the commands of one second, so that a session that was quiet may send as many at once, and fills with time.
"""

SECOND_NS = 1_000_000_000
NO_LIMIT = 1 << 60


class RateLimit:
    """`left`: commands that may be sent now."""

    def __init__(self, per_second, now_ns):
        """`per_second` 0: no limit."""
        self.per_second = per_second
        self.left = per_second or NO_LIMIT
        self._rest = 0  # of a command, in 1/SECOND_NS
        self._now_ns = now_ns

    def set(self, per_second, now_ns):
        """Another limit from now on: what it allows at once, no more than was left under the one before."""
        if per_second != self.per_second:
            self.fill(now_ns)
            self.per_second = per_second
            self.left = min(self.left, per_second) if per_second else NO_LIMIT
            self._rest = 0
            self._now_ns = now_ns

    def fill(self, now_ns):
        """Let time pass, which may stand still but not go back. O(1)."""
        per_second = self.per_second
        if per_second:
            total = self._rest + (now_ns - self._now_ns) * per_second
            self._now_ns = now_ns
            self.left += total // SECOND_NS
            self._rest = total % SECOND_NS
            if self.left >= per_second:
                self.left = per_second
                self._rest = 0
