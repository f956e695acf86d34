"""Is the wallet down for all, or does it fail with a trade? Settlement asks here which trade to try next, and whether a
failure is that trade's own."""

import logging
import math
import time

import pybreaker

log = logging.getLogger(__name__)


class Outage(pybreaker.CircuitBreakerListener):
    """What is known of the wallet beyond its circuit breaker's state, which `observe(state)` is told of."""

    def __init__(self, breaker, open_seconds, observe):
        self._breaker = breaker
        self._open_seconds = open_seconds
        self._observe = observe
        self._tried_again_at = 0.0  # when an open breaker lets one trade through
        self._failed_at = {}  # trade_id -> when it failed last while the breaker was not closed
        self._answered_at = 0.0  # when the wallet last gave an answer, to whichever trade
        breaker.add_listener(self)

    def state_change(self, cb, old_state, new_state):
        log.warning("the wallet's circuit breaker is %s", new_state.name)
        self._tried_again_at = time.monotonic() + self._open_seconds
        self._observe(new_state.name)

    @property
    def is_suspected(self):
        """The breaker is not closed."""
        return self._breaker.current_state != pybreaker.STATE_CLOSED

    @property
    def is_time_to_try(self):
        """Whether one trade may be sent to a wallet that is suspected."""
        return time.monotonic() >= self._tried_again_at

    def in_turn(self, entries):
        """-> the entries in the order in which to try them: a trade that fails may not keep the others from it."""
        if not self.is_suspected:
            return entries
        return sorted(entries, key=lambda entry: self._failed_at.get(entry.trade.trade_id, 0.0))

    def answered(self):
        """The wallet did, or refused, what some trade asked."""
        self._answered_at = time.monotonic()

    def failed(self, trade_id):
        """The wallet has not answered this trade. -> whether that is the trade's own fault: it is, where the wallet is
        not suspected, or has answered since the trade failed the time before. In an outage it answers nobody."""
        failed_at = self._failed_at.pop(trade_id, math.inf)
        if not self.is_suspected:
            return True
        self._failed_at[trade_id] = time.monotonic()
        return self._answered_at > failed_at

    def keep(self, trade_ids):
        """Forget the other trades."""
        self._failed_at = {trade_id: at for trade_id, at in self._failed_at.items() if trade_id in trade_ids}
