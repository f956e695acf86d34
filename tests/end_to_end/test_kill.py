"""kill -9 at random moments under load from several clients: nothing acknowledged is lost, nothing is done twice."""

import asyncio
import contextlib
import random
from collections import Counter

import pytest

from engine.recovery import recover
from engine.snapshot import state_hash
from protocol.calls import Rejected
from protocol.client import TradingClient
from protocol.content import record_commands, record_events
from protocol.journal import JournalReader
from protocol.messages import InstrumentDefined, OrderAccepted, PlaceOrder
from tests.harness import HOST, CoreProcess, Venue, eventually, instrument, peer

ORDERS = 200  # of each client
AT_A_TIME = 10
KILLS = 5


@pytest.fixture
def venue(tmp_path):
    return Venue(tmp_path, accounts=(1, 2, 3, 4))


async def trade(client, seed, placed):
    """Place orders, cancel some of them. `placed` gets what became of each, by its client_order_id."""
    chance = random.Random(seed)

    async def one(number):
        name = "%d-%d" % (client.account, number)
        side = chance.choice(("buy", "sell"))
        price = 100 + chance.randint(-3, 3)
        quantity = chance.randint(1, 9)
        order = await client.place(instrument=1, side=side, price=price, quantity=quantity, client_order_id=name)
        assert name not in placed
        placed[name] = order
        if order.open_quantity and number % 3 == 0:
            with contextlib.suppress(Rejected):  # filled meanwhile
                await client.cancel(order.order_id)

    for start in range(0, ORDERS, AT_A_TIME):
        await asyncio.gather(*[one(start + number) for number in range(AT_A_TIME)])


@pytest.mark.parametrize(("durability", "seed"), [("sync", 1), ("write", 2)])
async def test_killed_again_and_again_every_order_is_placed_exactly_once_and_every_event_is_told(
    venue, durability, seed
):
    chance = random.Random(seed)
    placed = {}
    moments = sorted(chance.sample(range(10, 4 * ORDERS - 50), KILLS))
    async with contextlib.AsyncExitStack() as stack:
        core = stack.enter_context(CoreProcess(venue, "--durability", durability)).ready()
        port, trusted_port = core.port, core.trusted_port  # where its clients look for it when it comes back
        arguments = ("--port", str(port), "--trusted-port", str(trusted_port), "--durability", durability)
        async with peer(trusted_port, venue.trusted) as operator:
            await operator.ask(instrument(), InstrumentDefined)
        clients = [TradingClient(HOST, port, key=key, secret=secret) for key, secret in venue.traders]
        for client in clients:
            await stack.enter_async_context(client)
        streams = [client.events() for client in clients]
        trading = [asyncio.ensure_future(trade(client, seed + n, placed)) for n, client in enumerate(clients)]
        for moment in moments:
            await eventually(lambda: len(placed) >= moment or any(task.done() for task in trading))  # noqa: B023
            core.kill()
            starting = asyncio.get_running_loop().run_in_executor(None, CoreProcess(venue, *arguments).ready)
            core = stack.enter_context(await starting)
        await asyncio.wait_for(asyncio.gather(*trading), 60)
        async with TradingClient(HOST, trusted_port, key=venue.trusted[0], secret=venue.trusted[1]) as operator:
            served = (await operator.statistics(state_hash=True))["state_hash"]
        for client in clients:
            await client.close()
        core.kill()

    assert len(placed) == 4 * ORDERS
    commands, events = Counter(), []
    for _, _, record in JournalReader(venue.journal):
        for _, command in record_commands(record):
            if type(command) is PlaceOrder:
                commands[command.client_order_id] += 1
        events += record_events(record)
    assert commands == Counter(placed.keys())
    accepted = {event.client_order_id: event for event in events if type(event) is OrderAccepted}
    for name, order in placed.items():
        assert (accepted[name].order_id, accepted[name].event_seq) == (order.order_id, order.event_seq)
    assert [event.event_seq for event in events] == list(range(1, len(events) + 1))
    for client, stream in zip(clients, streams):
        told = [message.event_seq async for message in stream]
        assert told == [event.event_seq for event in events if event.account == client.account]
    recovered = recover(venue.journal, lambda: 0, 1024)
    assert (recovered.snapshot_seq, state_hash(recovered.sequencer.exchange)) == (0, served)
    recovered.sequencer.exchange.check()
