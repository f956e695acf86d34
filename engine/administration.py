"""What administrators do: instruments and their states, assets, accounts, money in and out, fees, limits, the kill
switch. Pure. Every event carries who acted and why."""

from engine.book import Book
from engine.instruments import NO_FEES, NOTIONAL_MAX, UNITS_MAX, Instrument, definition_problem, is_plain
from engine.ledger import SUPPLY_MAX, Limits
from protocol.messages import (
    ASSETS_MAX,
    FEES_ACCOUNT,
    REFERENCE_CHARACTERS_MAX,
    USER_CHARACTERS_MAX,
    AccountBlocked,
    AccountLimitsSet,
    AccountOpened,
    AccountRateSet,
    AccountTierSet,
    AllCancelled,
    AssetDefined,
    CancelReason,
    Code,
    CommandRejected,
    Deposit,
    Deposited,
    FeesSet,
    InstrumentDefined,
    InstrumentLimitsSet,
    InstrumentState,
    InstrumentStateChanged,
    Side,
    Withdrawn,
)

ASSET_SCALE_MAX = 18
SYMBOL_CHARACTERS_MAX = 32
FEE_PPM_MAX = 100_000  # a tenth
BAND_BPS_MAX = 10_000


class Administration:
    """Each method decides one command: it appends the event, or a CommandRejected and changes nothing."""

    def __init__(self, trading):
        self.trading = trading
        self.ledger = trading.ledger
        self.symbols = {}  # instrument symbol -> number

    def _rejected(self, command, code, instrument=0):
        return CommandRejected(command.account, code, instrument)

    # --- instruments -------------------------------------------------------------------------------------------------

    def define_instrument(self, now_ns, command, events):
        books = self.trading.books
        code = definition_problem(command)
        if not code and (command.instrument in books or command.symbol in self.symbols):
            code = Code.INVALID_INSTRUMENT
        instrument = Instrument(
            command.instrument,
            command.symbol,
            command.price_scale,
            command.quantity_scale,
            command.tick,
            command.lot,
            command.collar_bps,
            command.base,
            command.quote,
        )
        if not code and (command.base or command.quote):
            code = instrument.bind(self.ledger.assets)
        if code:
            events.append(self._rejected(command, code, command.instrument))
            return
        books[instrument.number] = Book(self.trading.orders, instrument)
        self.symbols[instrument.symbol] = instrument.number
        events.append(
            InstrumentDefined(
                command.account,
                command.instrument,
                command.price_scale,
                command.quantity_scale,
                command.tick,
                command.lot,
                command.collar_bps,
                command.base,
                command.quote,
                command.admin,
                command.symbol,
            )
        )

    def set_instrument_state(self, now_ns, command, events):
        book = self.trading.books.get(command.instrument)
        if book is None:
            events.append(self._rejected(command, Code.UNKNOWN_INSTRUMENT, command.instrument))
        elif not InstrumentState.OPEN <= command.state <= InstrumentState.CANCEL_ONLY:
            events.append(self._rejected(command, Code.INVALID_INSTRUMENT_STATE, command.instrument))
        else:
            book.instrument.state = command.state
            events.append(
                InstrumentStateChanged(
                    command.account, command.instrument, command.state, command.admin, command.reason
                )
            )

    def set_instrument_limits(self, now_ns, command, events):
        book = self.trading.books.get(command.instrument)
        code = Code.UNKNOWN_INSTRUMENT if book is None else 0
        if not code and not (
            0 <= command.quantity_min <= UNITS_MAX
            and (command.quantity_max == 0 or max(1, command.quantity_min) <= command.quantity_max <= UNITS_MAX)
            and 0 <= command.notional_min <= NOTIONAL_MAX
            and command.band_bps <= BAND_BPS_MAX
        ):
            code = Code.INVALID_LIMITS
        if code:
            events.append(self._rejected(command, code, command.instrument))
            return
        instrument = book.instrument
        instrument.quantity_min = command.quantity_min
        instrument.quantity_max = command.quantity_max
        instrument.notional_min = command.notional_min
        instrument.band_bps = command.band_bps
        events.append(
            InstrumentLimitsSet(
                command.account,
                command.instrument,
                command.quantity_min,
                command.quantity_max,
                command.notional_min,
                command.band_bps,
                command.admin,
                command.reason,
            )
        )

    def set_fees(self, now_ns, command, events):
        """Any taker's fee has to cover any rebate, and open orders keep the rates they were placed with: fees never
        add up to less than nothing. O(open orders of the instrument)."""
        book = self.trading.books.get(command.instrument)
        code = Code.UNKNOWN_INSTRUMENT if book is None else 0
        if not code and not (
            -FEE_PPM_MAX <= command.maker_ppm <= FEE_PPM_MAX and 0 <= command.taker_ppm <= FEE_PPM_MAX
        ):
            code = Code.INVALID_FEES
        if not code:
            rates = (command.maker_ppm, command.taker_ppm, max(command.maker_ppm, command.taker_ppm, 0))
            fees = {0: NO_FEES, **book.instrument.fees, command.tier: rates}
            if self._lowest_maker_ppm(book, fees) + self._lowest_taker_ppm(book, fees) < 0:
                code = Code.INVALID_FEES
        if code:
            events.append(self._rejected(command, code, command.instrument))
            return
        book.instrument.fees[command.tier] = rates
        events.append(
            FeesSet(
                command.account,
                command.instrument,
                command.tier,
                command.maker_ppm,
                command.taker_ppm,
                command.admin,
                command.reason,
            )
        )

    def _lowest_maker_ppm(self, book, fees):
        maker_ppm = self.trading.orders.maker_ppm
        promised = [maker_ppm[slot] for slot in book.slots()] if book.instrument.base else []
        return min([rates[0] for rates in fees.values()] + promised)

    def _lowest_taker_ppm(self, book, fees):
        """Of open orders too: a stop order, and one that is amended, may yet take."""
        taker_ppm = self.trading.orders.taker_ppm
        promised = [taker_ppm[slot] for slot in book.slots()] if book.instrument.base else []
        return min([rates[1] for rates in fees.values()] + promised)

    def cancel_instrument(self, now_ns, command, events):
        """In order-id order. O(open orders of the instrument, times log)."""
        trading = self.trading
        book = trading.books.get(command.instrument)
        code = Code.UNKNOWN_INSTRUMENT if book is None else 0
        if not code and command.side not in (0, Side.BUY, Side.SELL):
            code = Code.INVALID_SIDE
        if code:
            events.append(self._rejected(command, code, command.instrument))
            return
        orders = trading.orders
        for slot in sorted(book.slots(), key=orders.order_id.__getitem__):
            if command.side in (0, orders.side[slot]):
                trading.end(slot, CancelReason.ADMIN, events)
        events.append(AllCancelled(command.account, command.instrument, len(events)))

    # --- assets, accounts, money -------------------------------------------------------------------------------------

    def define_asset(self, now_ns, command, events):
        assets = self.ledger.assets
        symbol = command.symbol
        taken = command.asset in assets or symbol in [asset.symbol for asset in assets.values()]
        is_symbol = 1 <= len(symbol) <= SYMBOL_CHARACTERS_MAX and is_plain(symbol)
        if command.asset == 0 or taken or len(assets) == ASSETS_MAX or command.scale > ASSET_SCALE_MAX or not is_symbol:
            events.append(self._rejected(command, Code.INVALID_ASSET))
            return
        self.ledger.define_asset(command.asset, symbol, command.scale)
        events.append(AssetDefined(command.account, command.asset, command.scale, command.admin, symbol))

    def open_account(self, now_ns, command, events):
        ledger = self.ledger
        user = command.user
        number = command.account
        if not 1 <= len(user) <= USER_CHARACTERS_MAX or not is_plain(user):
            events.append(self._rejected(command, Code.INVALID_USER))
            return
        known = ledger.users.get(user)
        if known is not None and number in (0, known):
            events.append(AccountOpened(known, 0, command.admin, user))
            return
        if known is not None or number in ledger.accounts:
            events.append(self._rejected(command, Code.INVALID_ACCOUNT))
            return
        if number == 0:
            number = ledger.next_account()
        ledger.open_account(number, user)
        events.append(AccountOpened(number, 1, command.admin, user))

    def deposit(self, now_ns, command, events):
        account, asset, code = self._movement(command)
        ledger = self.ledger
        movement = (command.TYPE, command.account, command.asset, command.amount)
        known = None if code else ledger.references.get(command.reference)
        is_deposit = command.TYPE == Deposit.TYPE
        if known is not None:
            code = 0 if known == movement else Code.REFERENCE_CONFLICT
        elif not code and is_deposit:
            if asset.deposited - asset.withdrawn + command.amount > SUPPLY_MAX:
                code = Code.INVALID_AMOUNT
        elif not code and command.amount > self._withdrawable(account, asset):
            code = Code.INSUFFICIENT_FUNDS
        if code:
            events.append(self._rejected(command, code))
            return
        if known is None:
            if is_deposit:
                ledger.deposit(account, asset, command.amount)
            else:
                ledger.withdraw(account, asset, command.amount)
            ledger.remember(command.reference, movement)
        made = Deposited if is_deposit else Withdrawn
        events.append(
            made(
                command.account,
                command.asset,
                command.amount,
                asset.available[account.index],
                0 if known is None else 1,
                command.admin,
                command.reference,
            )
        )

    withdraw = deposit

    def _movement(self, command):
        """-> (Account, Asset, Code or 0) of a Deposit or Withdraw."""
        account = self.ledger.accounts.get(command.account)
        asset = self.ledger.assets.get(command.asset)
        reference = command.reference
        if account is None:
            return None, None, Code.UNKNOWN_ACCOUNT
        if asset is None:
            return None, None, Code.UNKNOWN_ASSET
        if not 0 < command.amount <= SUPPLY_MAX:
            return None, None, Code.INVALID_AMOUNT
        if not 1 <= len(reference) <= REFERENCE_CHARACTERS_MAX or not is_plain(reference):
            return None, None, Code.INVALID_REFERENCE
        return account, asset, 0

    def _withdrawable(self, account, asset):
        """What is available; of the fees, one unit less for each open order: rounding may have to give it back."""
        available = asset.available[account.index]
        if account.number == FEES_ACCOUNT:
            available -= self.trading.orders.open_count
        return available

    # --- limits of accounts ------------------------------------------------------------------------------------------

    def set_account_tier(self, now_ns, command, events):
        account = self.ledger.accounts.get(command.account)
        if account is None:
            events.append(self._rejected(command, Code.UNKNOWN_ACCOUNT))
            return
        account.tier = command.tier
        events.append(AccountTierSet(command.account, command.tier, command.admin, command.reason))

    def set_account_limits(self, now_ns, command, events):
        account = self.ledger.accounts.get(command.account)
        notionals = (command.order_notional_max, command.daily_notional_max, command.second_factor_above)
        code = 0
        if account is None:
            code = Code.UNKNOWN_ACCOUNT
        elif command.asset not in self.ledger.assets:
            code = Code.UNKNOWN_ASSET
        elif not all(0 <= notional <= NOTIONAL_MAX for notional in notionals):
            code = Code.INVALID_LIMITS
        if code:
            events.append(self._rejected(command, code))
            return
        account.limits[command.asset] = Limits(*notionals)
        account.open_orders_max = command.open_orders_max
        events.append(
            AccountLimitsSet(
                command.account,
                command.asset,
                *notionals,
                command.open_orders_max,
                command.admin,
                command.reason,
            )
        )

    def set_account_rate(self, now_ns, command, events):
        """It is kept here, so that the journal tells who set it; sessions hold it (session.py)."""
        account = self.ledger.accounts.get(command.account)
        if account is None:
            events.append(self._rejected(command, Code.UNKNOWN_ACCOUNT))
            return
        account.commands_per_second = command.commands_per_second
        events.append(AccountRateSet(command.account, command.commands_per_second, command.admin, command.reason))

    def cancel_account(self, now_ns, command, events):
        self.trading.cancel_all_for(command, CancelReason.ADMIN, events)

    def block_account(self, now_ns, command, events):
        """In order-id order. O(the account's open orders)."""
        account = self.ledger.accounts.get(command.account)
        if account is None or command.account == FEES_ACCOUNT:
            events.append(self._rejected(command, Code.UNKNOWN_ACCOUNT))
            return
        account.is_blocked = 1 if command.is_blocked else 0
        if account.is_blocked:
            for slot in self.trading.orders.of_account(command.account):
                self.trading.end(slot, CancelReason.KILL_SWITCH, events)
        count = len(events)
        events.append(AccountBlocked(command.account, account.is_blocked, count, command.admin, command.reason))
