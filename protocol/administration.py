"""What only a trusted session may say, as methods of the client: instruments, assets, accounts, money, fees, limits,
the kill switch. `admin` and `reason` go into the journal with each: who acted, and why."""

from protocol.calls import CancelAllCall, SingleCall, number_of
from protocol.messages import (
    INSTRUMENT_STATES,
    SIDES,
    BlockAccount,
    CancelAccount,
    CancelInstrument,
    DefineAsset,
    DefineInstrument,
    Deposit,
    OpenAccount,
    SetAccountLimits,
    SetAccountRate,
    SetAccountTier,
    SetFees,
    SetInstrumentLimits,
    SetInstrumentState,
    Withdraw,
)


class Administration:
    """To be inherited by what has `_call`. Raises as TradingClient's other methods do."""

    async def _call(self, command, gather):
        """Send a command; -> what `gather` makes of its events."""
        raise NotImplementedError

    # --- instruments ---

    async def define_instrument(
        self, instrument, symbol, *, price_scale, quantity_scale, tick=1, lot=1, collar_bps, base=0, quote=0, admin=0
    ):
        """`base`, `quote`: numbers of assets; 0 for both: traded without funds. -> InstrumentDefined."""
        command = DefineInstrument(
            account=0,
            instrument=instrument,
            price_scale=price_scale,
            quantity_scale=quantity_scale,
            tick=tick,
            lot=lot,
            collar_bps=collar_bps,
            base=base,
            quote=quote,
            admin=admin,
            symbol=symbol,
        )
        return await self._call(command, SingleCall())

    async def set_instrument_state(self, instrument, state, reason="", *, admin=0):
        """`state`: a number or name of InstrumentState. -> InstrumentStateChanged."""
        state = number_of(INSTRUMENT_STATES, state, "state")
        command = SetInstrumentState(account=0, instrument=instrument, state=state, admin=admin, reason=reason)
        return await self._call(command, SingleCall())

    async def set_instrument_limits(
        self, instrument, *, quantity_min=0, quantity_max=0, notional_min=0, band_bps=0, admin=0, reason=""
    ):
        """All four at once, 0: no limit. notional_min is price x quantity in units. -> InstrumentLimitsSet."""
        command = SetInstrumentLimits(
            account=0,
            instrument=instrument,
            quantity_min=quantity_min,
            quantity_max=quantity_max,
            notional_min=notional_min,
            band_bps=band_bps,
            admin=admin,
            reason=reason,
        )
        return await self._call(command, SingleCall())

    async def set_fees(self, instrument, *, maker_ppm, taker_ppm, tier=0, admin=0, reason=""):
        """1/1,000,000 of the notional, for orders placed from now on; a negative maker_ppm is a rebate. -> FeesSet."""
        command = SetFees(
            account=0,
            instrument=instrument,
            tier=tier,
            maker_ppm=maker_ppm,
            taker_ppm=taker_ppm,
            admin=admin,
            reason=reason,
        )
        return await self._call(command, SingleCall())

    async def cancel_instrument(self, instrument, *, side=0, admin=0, reason=""):
        """Every account's orders. -> CancelledAll, with the count alone: the cancels are events of their accounts."""
        side = side and number_of(SIDES, side, "side")
        command = CancelInstrument(account=0, instrument=instrument, side=side, admin=admin, reason=reason)
        return await self._call(command, CancelAllCall())

    # --- assets, accounts, money ---

    async def define_asset(self, asset, symbol, *, scale, admin=0):
        """An amount of 1 unit is 10^-scale. -> AssetDefined."""
        command = DefineAsset(account=0, asset=asset, scale=scale, admin=admin, symbol=symbol)
        return await self._call(command, SingleCall())

    async def open_account(self, user, *, account=0, admin=0):
        """Account 0: the next free number. Asking again for a user gives the same account. -> AccountOpened."""
        return await self._call(OpenAccount(account=account, admin=admin, user=user), SingleCall())

    async def deposit(self, account, asset, amount, reference, *, admin=0):
        """Once for each reference, however often it is sent: then `is_duplicate` is 1. -> Deposited."""
        command = Deposit(account=account, asset=asset, amount=amount, admin=admin, reference=reference)
        return await self._call(command, SingleCall())

    async def withdraw(self, account, asset, amount, reference, *, admin=0):
        """Of what is available; once for each reference. -> Withdrawn."""
        command = Withdraw(account=account, asset=asset, amount=amount, admin=admin, reference=reference)
        return await self._call(command, SingleCall())

    # --- accounts ---

    async def set_account_tier(self, account, tier, *, admin=0, reason=""):
        """The tier whose fees the account's orders have from now on. -> AccountTierSet."""
        return await self._call(SetAccountTier(account=account, tier=tier, admin=admin, reason=reason), SingleCall())

    async def set_account_limits(
        self,
        account,
        asset,
        *,
        order_notional_max=0,
        daily_notional_max=0,
        second_factor_above=0,
        open_orders_max=0,
        admin=0,
        reason="",
    ):
        """All four at once, 0: no limit; notionals in units of the quote asset `asset`. -> AccountLimitsSet."""
        command = SetAccountLimits(
            account=account,
            asset=asset,
            order_notional_max=order_notional_max,
            daily_notional_max=daily_notional_max,
            second_factor_above=second_factor_above,
            open_orders_max=open_orders_max,
            admin=admin,
            reason=reason,
        )
        return await self._call(command, SingleCall())

    async def set_account_rate(self, account, commands_per_second, *, admin=0, reason=""):
        """Of each of its sessions, from now on; 0: as the core is set up. -> AccountRateSet."""
        command = SetAccountRate(account=account, commands_per_second=commands_per_second, admin=admin, reason=reason)
        return await self._call(command, SingleCall())

    async def cancel_account(self, account, *, instrument=0, side=0, admin=0, reason=""):
        """All open orders of an account, or of one instrument, or side; it may go on trading. -> CancelledAll."""
        side = side and number_of(SIDES, side, "side")
        command = CancelAccount(account=account, instrument=instrument, side=side, admin=admin, reason=reason)
        return await self._call(command, CancelAllCall())

    async def block_account(self, account, reason="", *, admin=0):
        """The kill switch: cancel all its orders, and take none from it until it is lifted. -> CancelledAll."""
        return await self._call(self._block(account, 1, reason, admin), CancelAllCall())

    async def unblock_account(self, account, reason="", *, admin=0):
        """-> CancelledAll, of nothing."""
        return await self._call(self._block(account, 0, reason, admin), CancelAllCall())

    def _block(self, account, is_blocked, reason, admin):
        return BlockAccount(account=account, is_blocked=is_blocked, admin=admin, reason=reason)
