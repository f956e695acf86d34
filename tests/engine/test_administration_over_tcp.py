"""What administrators do, over TCP: on the trusted listener alone, once for each reference, and for all to see."""

import pytest

from protocol.calls import Rejected
from protocol.client import TradingClient
from protocol.messages import (
    MESSAGES,
    AccountOpened,
    AccountRateSet,
    AccountTierSet,
    AdminCommand,
    Code,
    DefineAsset,
    DefineInstrument,
    Deposit,
    Deposited,
    InstrumentDefined,
    OpenAccount,
    OrderAccepted,
    OrderCancelled,
    Orders,
    QueryAccount,
    QueryBalances,
    QueryOpenOrders,
    QueryStatistics,
    Refused,
    SetAccountRate,
    SetAccountTier,
    Statistics,
    wire_fields,
)
from tests.harness import HOST, CoreProcess, Venue, buy, eventually, instrument, peer, sell, serving

GOLD = 1  # an asset


@pytest.fixture
def venue(tmp_path):
    return Venue(tmp_path)


def client(port, key):
    number, secret = key
    return TradingClient(HOST, port, key=number, secret=secret)


def command_of(cls):
    """-> a command of this kind with a plausible value in each field."""
    return cls(**{name: "a" if wire == "text" else 1 for name, wire in wire_fields(cls) if name != "request_id"})


COMMANDS = [cls for cls in MESSAGES.values() if issubclass(cls, AdminCommand)] + [DefineInstrument]


@pytest.mark.parametrize("cls", COMMANDS, ids=lambda cls: cls.__name__)
async def test_a_trader_can_do_none_of_it_and_nothing_is_journaled(venue, cls):
    async with serving(venue) as core, peer(core.port, venue.traders[0]) as trader:
        before = core.journal.position
        refused = await trader.ask(command_of(cls), Refused)
        assert refused.code == Code.NOT_ALLOWED
        assert core.journal.position == before and core.server.sequencer.exchange.seq == 0


async def test_an_account_from_opening_to_its_last_withdrawal(venue):
    async with serving(venue) as core, client(core.trusted_port, venue.trusted) as admin:
        await admin.define_asset(GOLD, "GOLD", scale=3, admin=9)
        opened = await admin.open_account("ann", admin=9)
        assert (opened.account, opened.is_new, opened.admin) == (1, 1, 9)
        assert (await admin.open_account("ann")).is_new == 0
        assert (await admin.open_account("bob")).account == 2
        assert (await admin.deposit(1, GOLD, 500, "d1")).available == 500
        again = await admin.deposit(1, GOLD, 500, "d1")
        assert (again.available, again.is_duplicate) == (500, 1)
        with pytest.raises(Rejected, match="^reference_conflict$"):
            await admin.deposit(1, GOLD, 501, "d1")
        with pytest.raises(Rejected, match="^insufficient_funds$"):
            await admin.withdraw(1, GOLD, 501, "w1")
        assert (await admin.withdraw(1, GOLD, 100, "w1")).available == 400
        (balance,) = await admin.balances(account=1)
        assert (balance.symbol, balance.scale, balance.available, balance.reserved) == ("GOLD", 3, 400, 0)
        found = await admin.find_account(user="ann")
        assert (found.account, found.user, found.is_blocked) == (1, "ann", 0)
        assert await admin.find_account(user="nobody") is None and await admin.balances(account=7) == []
        async with client(core.port, venue.traders[0]) as trader:
            assert await trader.balances() == [balance] and await trader.find_account() == found


async def test_a_trader_asks_for_no_other_accounts_balances(venue):
    async with serving(venue) as core, peer(core.port, venue.traders[0]) as trader:
        for query in (QueryBalances(2), QueryAccount(2)):
            assert (await trader.ask(query, Refused)).code == Code.NOT_ALLOWED


async def test_a_deposit_is_done_once_though_it_is_sent_before_and_after_a_kill(venue):
    with CoreProcess(venue) as core:
        core.ready()
        async with client(core.trusted_port, venue.trusted) as admin:
            await admin.define_asset(GOLD, "GOLD", scale=3)
            await admin.open_account("ann", account=1)
            await admin.deposit(1, GOLD, 500, "d1")
        core.kill()
    for end in (CoreProcess.stop, CoreProcess.kill):  # from the journal, then from a snapshot
        with CoreProcess(venue) as core:
            core.ready()
            async with client(core.trusted_port, venue.trusted) as admin:
                assert (await admin.deposit(1, GOLD, 500, "d1")).is_duplicate == 1
                assert [balance.available for balance in await admin.balances(account=1)] == [500]
            end(core)


async def test_an_account_that_is_told_its_number_answers_the_request_that_asked(venue):
    async with serving(venue) as core, peer(core.trusted_port, venue.trusted) as admin:
        opened = await admin.ask(OpenAccount(0, 0, "ann"), AccountOpened)
        assert (opened.account, opened.key) == (1, venue.trusted[0])


async def test_the_owner_of_an_account_sees_what_is_done_to_it(venue):
    async with serving(venue) as core, peer(core.trusted_port, venue.trusted) as admin:
        await admin.ask(DefineAsset(0, GOLD, 0, 0, "GOLD"), MESSAGES[50])
        await admin.ask(OpenAccount(1, 0, "ann"), AccountOpened)
        async with peer(core.port, venue.traders[0]) as owner, peer(core.port, venue.traders[1]) as other:
            await admin.ask(Deposit(1, GOLD, 5, 9, "d1"), Deposited)
            (deposited,) = await owner.until(Deposited)
            assert (deposited.amount, deposited.reference, deposited.request_id, deposited.key) == (
                5,
                "d1",
                admin._last_request_id,
                venue.trusted[0],
            )
            await admin.ask(SetAccountTier(1, 3, 9, "volume"), AccountTierSet)
            assert (await owner.until(AccountTierSet))[-1].reason == "volume"
            assert (await other.ask(QueryOpenOrders(0), Orders)).orders == []  # and nothing before that


async def test_the_kill_switch_cancels_and_holds_until_it_is_lifted(venue):
    async with serving(venue) as core, client(core.trusted_port, venue.trusted) as admin:
        await admin.define_instrument(1, "A-B", price_scale=2, quantity_scale=2, collar_bps=100)
        await admin.open_account("ann", account=1)
        async with client(core.port, venue.traders[0]) as trader:
            for price in (99, 100):
                await trader.place(instrument=1, side="buy", price=price, quantity=1)
            blocked = await admin.block_account(1, "a leak", admin=9)
            assert [order.price for order in blocked.orders] == [99, 100] and blocked.count == 2
            with pytest.raises(Rejected, match="^account_blocked$"):
                await trader.place(instrument=1, side="buy", price=99, quantity=1)
            assert (await trader.find_account()).is_blocked == 1
            assert (await admin.unblock_account(1)).count == 0
            assert (await trader.place(instrument=1, side="buy", price=99, quantity=1)).open_quantity == 1


async def test_an_account_s_orders_are_cancelled_and_it_goes_on(venue):
    async with serving(venue) as core, client(core.trusted_port, venue.trusted) as admin:
        await admin.define_instrument(1, "GOLD", price_scale=2, quantity_scale=2, collar_bps=100)
        async with client(core.port, venue.traders[0]) as trader:
            for price in (99, 100):
                await trader.place(instrument=1, side="buy", price=price, quantity=1)
            cancelled = await admin.cancel_account(1, side="buy", admin=9, reason="asked by phone")
            assert [order.price for order in cancelled.orders] == [99, 100] and cancelled.count == 2
            assert (await trader.place(instrument=1, side="buy", price=99, quantity=1)).open_quantity == 1
        with pytest.raises(Rejected, match="^unknown_instrument$"):
            await admin.cancel_account(1, instrument=3)


async def test_all_orders_of_an_instrument_are_cancelled_and_their_owners_told(venue):
    async with serving(venue) as core, client(core.trusted_port, venue.trusted) as admin:
        for number in (1, 2):
            await admin.define_instrument(number, "S-%d" % number, price_scale=2, quantity_scale=2, collar_bps=100)
        async with peer(core.port, venue.traders[0]) as seller, peer(core.port, venue.traders[1]) as buyer:
            await seller.ask(sell(200, 1), OrderAccepted)
            await buyer.ask(buy(100, 1), OrderAccepted)
            await buyer.ask(buy(100, 1, instrument=2), OrderAccepted)
            assert (await admin.cancel_instrument(1, side="sell")).count == 1
            assert (await seller.until(OrderCancelled))[-1].reason == 12
            assert (await admin.cancel_instrument(1, admin=9, reason="halted")).count == 1
            assert (await buyer.until(OrderCancelled))[-1].instrument == 1
            assert len((await buyer.ask(QueryOpenOrders(0), Orders)).orders) == 1
        with pytest.raises(Rejected, match="^unknown_instrument$"):
            await admin.cancel_instrument(3)


async def test_every_setting_of_an_administrator_is_answered(venue):
    async with serving(venue) as core, client(core.trusted_port, venue.trusted) as admin:
        await admin.define_asset(1, "BTC", scale=2)
        await admin.define_asset(2, "USDT", scale=4)
        defined = await admin.define_instrument(
            1, "A-B", price_scale=2, quantity_scale=2, collar_bps=100, base=1, quote=2, admin=9
        )
        assert (defined.base, defined.quote, defined.admin) == (1, 2, 9)
        await admin.open_account("ann")
        await admin.set_fees(1, maker_ppm=0, taker_ppm=10)
        fees = await admin.set_fees(1, tier=2, maker_ppm=-5, taker_ppm=10, admin=9, reason="summer")
        assert (fees.tier, fees.maker_ppm, fees.taker_ppm, fees.reason) == (2, -5, 10, "summer")
        assert (await admin.set_account_tier(1, 2)).tier == 2
        limits = await admin.set_account_limits(
            1, 2, order_notional_max=10, daily_notional_max=20, second_factor_above=5, open_orders_max=3
        )
        assert (limits.order_notional_max, limits.open_orders_max) == (10, 3)
        bounds = await admin.set_instrument_limits(1, quantity_min=1, quantity_max=9, notional_min=2, band_bps=100)
        assert (bounds.quantity_max, bounds.band_bps) == (9, 100)
        assert (await admin.set_instrument_state(1, "cancel_only", "news", admin=9)).admin == 9
        (row,) = await admin.instruments()
        assert (row.quantity_max, row.notional_min, row.band_bps, row.state) == (9, 2, 100, 4)


# --- limits of sessions, and statistics ------------------------------------------------------------------------------


async def test_a_session_that_sends_too_much_is_refused_and_nothing_of_it_is_journaled(venue):
    clock = [0.0]
    async with serving(venue, clock_s=lambda: clock[0], commands_per_second=5) as core:
        clock[0] = 1.0  # a quiet second wins nothing: the bucket was full
        async with peer(core.trusted_port, venue.trusted) as operator, peer(core.port, venue.traders[0]) as trader:
            await operator.ask(instrument(), InstrumentDefined)
            operator.send(*[buy(100, 1, account=2) for _ in range(50)])  # trusted: no limit
            await operator.until(OrderAccepted, 50)
            trader.send(*[buy(100, 1) for _ in range(8)])
            answers = await trader.until(Refused, 3)
            assert [type(answer) for answer in answers] == [OrderAccepted] * 5 + [Refused] * 3
            assert [answer.code for answer in answers[5:]] == [Code.RATE_LIMITED] * 3
            ids = [answer.request_id for answer in answers]
            assert ids == list(range(ids[0], ids[0] + 8))
            assert len((await trader.ask(QueryOpenOrders(0), Orders)).orders) == 5  # queries go on
            clock[0] += 0.4
            trader.send(*[buy(100, 1) for _ in range(3)])
            answers = await trader.until(Refused)
            assert [type(answer) for answer in answers] == [OrderAccepted] * 2 + [Refused]


async def test_an_account_s_rate_holds_for_its_sessions_from_then_on_and_after_a_restart(venue):
    orders = [buy(100, 1) for _ in range(8)]
    async with serving(venue, clock_s=lambda: 1.0) as core, peer(core.trusted_port, venue.trusted) as operator:
        await operator.ask(instrument(), InstrumentDefined)
        await operator.ask(OpenAccount(1, 9, "ann"), AccountOpened)
        async with peer(core.port, venue.traders[0]) as trader:
            trader.send(*orders)
            await trader.until(OrderAccepted, 8)
            await operator.ask(SetAccountRate(1, 3, 9, "a robot"), AccountRateSet)
            assert (await trader.until(AccountRateSet))[-1].reason == "a robot"
            trader.send(*orders)
            answers = await trader.until(Refused, 5)
            assert [type(answer) for answer in answers] == [OrderAccepted] * 3 + [Refused] * 5
    async with serving(venue, clock_s=lambda: 1.0) as core, client(core.trusted_port, venue.trusted) as admin:
        async with peer(core.port, venue.traders[0]) as trader:
            trader.send(*orders)
            assert {answer.code for answer in (await trader.until(Refused, 5))[3:]} == {Code.RATE_LIMITED}
            lifted = await admin.set_account_rate(1, 0, admin=9)
            assert (lifted.commands_per_second, lifted.admin) == (0, 9)
            await trader.until(AccountRateSet)
            trader.send(*orders)
            await trader.until(OrderAccepted, 8)
        assert (await admin.find_account(account=1)).commands_per_second == 0


async def test_statistics_tell_of_stops_trades_latency_and_the_journal(venue):
    async with serving(venue) as core, peer(core.trusted_port, venue.trusted) as operator:
        await operator.ask(instrument(), InstrumentDefined)
        await operator.ask(sell(100, 5, account=1), OrderAccepted)
        await operator.ask(buy(100, 2, account=2), OrderAccepted)
        stop = sell(0, 2, account=1)
        stop.order_type, stop.stop_price = 3, 90
        await operator.ask(stop, OrderAccepted)
        found = dict((await operator.ask(QueryStatistics(0), Statistics)).statistics)
        assert (found["waiting_stops"], found["open_orders"], found["trades"], found["accounts"]) == (1, 2, 1, 0)
        assert found["commands_answered"] == 4 and found["commands_in_1000000_us"] <= 4
        assert found["command_us_max"] > 0 and found["journal_lag"] == 0
        assert b'core_command_seconds_bucket{le="+Inf"} 4.0' in core.server.metrics.text()


async def test_with_durability_write_the_lag_is_what_is_not_synced(venue):
    async with serving(venue, durability=2) as core, peer(core.trusted_port, venue.trusted) as operator:
        await operator.ask(instrument(), InstrumentDefined)
        lags = []
        for _ in range(3):  # one may be synced at just that moment
            await operator.ask(buy(100, 1, account=1), OrderAccepted)
            lags.append(dict(core.server.statistics(False))["journal_lag"])
        assert max(lags) >= 1
        await eventually(lambda: dict(core.server.statistics(False))["journal_lag"] == 0)
