"""A naive exchange with its ledger, the oracle of engine/: lists of orders, searched and sorted anew every time.

Written from the rules (docs/conventions.md and the docstrings of protocol/messages.py), not from the fast code: where
the two differ, one of them has misread the rules. It is slow, and nothing here is to be made faster.
"""

from protocol.messages import CommandRejected
from tests.model.administration import Administration

__all__ = ["Model"]

DAY_NS = 24 * 60 * 60 * 1_000_000_000


class Model(Administration):
    """Same interface as engine.exchange.Exchange: apply(seq, now_ns, command) -> events."""

    def apply(self, seq, now_ns, command):
        self.events = []
        self.now_ns = now_ns
        self.day = now_ns // DAY_NS
        getattr(self, "on_" + type(command).__name__)(command)
        self.run_elected()
        assert all(self.available(*key) >= 0 for key in self.totals), "an account spent what it did not have"
        return self.events

    def reject(self, command, code, order=None):
        """`order`: the open order the command names, where there is one of this account."""
        self.events.append(
            CommandRejected(
                account=command.account,
                code=code,
                instrument=order.instrument if order else getattr(command, "instrument", 0),
                order_id=getattr(command, "order_id", 0),
                client_order_id=getattr(command, "client_order_id", ""),
            )
        )
