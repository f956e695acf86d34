"""A venue with an order in the book, an attacker who may do what it likes, and a bystander."""

import contextlib
import struct

import attrs

from engine.snapshot import state_hash
from protocol.messages import (
    CancelOrder,
    Code,
    CommandRejected,
    InstrumentDefined,
    OrderAccepted,
    SessionClosed,
)
from tests.harness import buy, instrument, peer, serving


@attrs.define
class Attack:
    """A venue with an order in the book: `attacker` may do what it likes, `unchanged` says whether it mattered."""

    server: object
    attacker: object
    bystander: object
    before: tuple

    async def unchanged(self):
        """The state is what it was and a bystander is served; -> to be asserted."""
        is_same = state_of(self.server) == self.before
        rejected = await self.bystander.ask(CancelOrder(0, 1), CommandRejected)
        return is_same and rejected.code == Code.UNKNOWN_ORDER

    async def closed(self):
        """-> the code the attacker's session was closed with; it got nothing else."""
        messages = await self.attacker.rest()
        assert [type(message) for message in messages] == [SessionClosed], messages
        return messages[0].code


@contextlib.asynccontextmanager
async def attacking(venue, is_trusted=False):
    """-> Attack; the attacker is a trader, or a trusted session."""
    async with contextlib.AsyncExitStack() as stack:
        core = await stack.enter_async_context(serving(venue))
        async with peer(core.trusted_port, venue.trusted) as operator:
            await operator.ask(instrument(), InstrumentDefined)
        bystander = await stack.enter_async_context(peer(core.port, venue.traders[1]))
        await bystander.ask(buy(5000, 10), OrderAccepted)
        port, key = (core.trusted_port, venue.trusted) if is_trusted else (core.port, venue.traders[0])
        attacker = await stack.enter_async_context(peer(port, key))
        yield Attack(core.server, attacker, bystander, state_of(core.server))


def state_of(server):
    """-> (events, state hash). Not the commands: a Tick may come at any time."""
    return server.sequencer.event_seq, state_hash(server.sequencer.exchange)


def framed(payload):
    return struct.pack(">I", len(payload)) + payload
