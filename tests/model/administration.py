"""What administrators do. Each command gives the one event of its name, after the cancels it brings, or a reject."""

from protocol.messages import (
    FEES_ACCOUNT,
    AccountBlocked,
    AccountLimitsSet,
    AccountOpened,
    AccountRateSet,
    AccountTierSet,
    AllCancelled,
    AssetDefined,
    CancelReason,
    Code,
    Deposited,
    FeesSet,
    InstrumentDefined,
    InstrumentLimitsSet,
    InstrumentState,
    InstrumentStateChanged,
    Side,
    Withdrawn,
    wire_fields,
)
from tests.model.books import Market
from tests.model.money import Account, Asset
from tests.model.rules import AMOUNT_MAX, UNITS_MAX, is_printable_ascii
from tests.model.trading import Trading

REFERENCES_MAX = 100_000
STATES = (InstrumentState.OPEN, InstrumentState.HALTED, InstrumentState.POST_ONLY, InstrumentState.CANCEL_ONLY)


class Administration(Trading):
    def __init__(self, slots_max=2**22 - 1):
        super().__init__(slots_max)
        self.movements = []  # (reference, (class, account, asset, amount))
        self.last_given = 0  # account number

    def decide(self, command, code, event_class, **fields):
        """Append the reject, or the event with what the command says and `fields`. -> whether it is accepted."""
        if code:
            self.reject(command, code)
            return False
        for name, _ in wire_fields(event_class):
            if hasattr(command, name):
                fields.setdefault(name, getattr(command, name))
        self.events.append(event_class(**{name: value for name, value in fields.items() if name != "request_id"}))
        return True

    # --- instruments -------------------------------------------------------------------------------------------------

    def on_DefineInstrument(self, command):
        code = next(self.faults_of_definition(command), 0)
        if self.decide(command, code, InstrumentDefined):
            market = self.markets[command.instrument] = Market(self.events[-1])
            if market.is_funded:
                base, quote = self.assets[command.base], self.assets[command.quote]
                market.base_multiplier = 10 ** (base.scale - command.quantity_scale)
                market.quote_multiplier = 10 ** (quote.scale - command.price_scale - command.quantity_scale)

    def faults_of_definition(self, command):
        taken = [market.definition.symbol for market in self.markets.values()]
        fits = (
            command.instrument != 0
            and command.instrument not in self.markets
            and command.symbol not in taken
            and 0 <= command.price_scale <= 18
            and 0 <= command.quantity_scale <= 18
            and 1 <= command.tick <= UNITS_MAX
            and 1 <= command.lot <= UNITS_MAX
            and 0 <= command.collar_bps <= 10_000
            and is_symbol(command.symbol)
        )
        if not fits:
            yield Code.INVALID_INSTRUMENT
        if command.base == 0 and command.quote == 0:
            return
        if command.base not in self.assets or command.quote not in self.assets:
            yield Code.UNKNOWN_ASSET
        if command.base == command.quote:
            yield Code.INVALID_INSTRUMENT
        if self.assets[command.base].scale < command.quantity_scale:
            yield Code.INVALID_INSTRUMENT
        if self.assets[command.quote].scale < command.price_scale + command.quantity_scale:
            yield Code.INVALID_INSTRUMENT

    def on_SetInstrumentState(self, command):
        code = 0
        if command.instrument not in self.markets:
            code = Code.UNKNOWN_INSTRUMENT
        elif command.state not in STATES:
            code = Code.INVALID_INSTRUMENT_STATE
        if self.decide(command, code, InstrumentStateChanged):
            self.markets[command.instrument].state = command.state

    def on_SetInstrumentLimits(self, command):
        code = 0
        if command.instrument not in self.markets:
            code = Code.UNKNOWN_INSTRUMENT
        elif (
            not 0 <= command.quantity_min <= UNITS_MAX
            or not 0 <= command.quantity_max <= UNITS_MAX
            or 0 < command.quantity_max < command.quantity_min
            or not 0 <= command.notional_min <= AMOUNT_MAX
            or not 0 <= command.band_bps <= 10_000
        ):
            code = Code.INVALID_LIMITS
        if self.decide(command, code, InstrumentLimitsSet):
            market = self.markets[command.instrument]
            market.quantity_min = command.quantity_min
            market.quantity_max = command.quantity_max
            market.notional_min = command.notional_min
            market.band_bps = command.band_bps

    def on_SetFees(self, command):
        code = next(self.faults_of_fees(command), 0)
        if self.decide(command, code, FeesSet):
            self.markets[command.instrument].fees[command.tier] = (command.maker_ppm, command.taker_ppm)

    def faults_of_fees(self, command):
        if command.instrument not in self.markets:
            yield Code.UNKNOWN_INSTRUMENT
        if not -100_000 <= command.maker_ppm <= 100_000 or not 0 <= command.taker_ppm <= 100_000:
            yield Code.INVALID_FEES
        # No maker may be owed more than any taker pays: neither by the new rates nor by those of open orders.
        rates = {0: (0, 0), **self.markets[command.instrument].fees}
        rates[command.tier] = (command.maker_ppm, command.taker_ppm)
        pairs = list(rates.values())
        if self.markets[command.instrument].is_funded:
            pairs += [(o.maker_ppm, o.taker_ppm) for o in self.orders if o.instrument == command.instrument]
        if min(maker for maker, _ in pairs) + min(taker for _, taker in pairs) < 0:
            yield Code.INVALID_FEES

    def on_CancelInstrument(self, command):
        code = 0
        if command.instrument not in self.markets:
            code = Code.UNKNOWN_INSTRUMENT
        elif command.side not in (0, Side.BUY, Side.SELL):
            code = Code.INVALID_SIDE
        count = 0 if code else self.end_all(CancelReason.ADMIN, instrument=command.instrument, side=command.side)
        self.decide(command, code, AllCancelled, count=count)

    def on_CancelAccount(self, command):
        code = 0
        if command.account == 0:
            code = Code.INVALID_ACCOUNT
        elif command.instrument not in (0, *self.markets):
            code = Code.UNKNOWN_INSTRUMENT
        elif command.side not in (0, Side.BUY, Side.SELL):
            code = Code.INVALID_SIDE
        selection = {"account": command.account, "instrument": command.instrument, "side": command.side}
        count = 0 if code else self.end_all(CancelReason.ADMIN, **selection)
        self.decide(command, code, AllCancelled, count=count)

    # --- assets, accounts --------------------------------------------------------------------------------------------

    def on_DefineAsset(self, command):
        symbols = [asset.symbol for asset in self.assets.values()]
        fits = (
            command.asset != 0
            and command.asset not in self.assets
            and command.symbol not in symbols
            and 0 <= command.scale <= 18
            and is_symbol(command.symbol)
        )
        if self.decide(command, 0 if fits else Code.INVALID_ASSET, AssetDefined):
            self.assets[command.asset] = Asset(command.symbol, command.scale)

    def on_OpenAccount(self, command):
        known = [number for number, account in self.accounts.items() if account.user and account.user == command.user]
        code = 0
        number = command.account
        if not 1 <= len(command.user) <= 64 or not is_printable_ascii(command.user):
            code = Code.INVALID_USER
        elif known and number in (0, known[0]):
            number = known[0]
        elif known or number in self.accounts:
            code = Code.INVALID_ACCOUNT
        elif number == 0:
            number = self.last_given + 1
            while number in self.accounts:
                number += 1
            self.last_given = number
        if self.decide(command, code, AccountOpened, account=number, is_new=0 if known else 1) and not known:
            self.accounts[number] = Account(command.user)

    def on_SetAccountTier(self, command):
        code = 0 if command.account in self.accounts else Code.UNKNOWN_ACCOUNT
        if self.decide(command, code, AccountTierSet):
            self.accounts[command.account].tier = command.tier

    def on_SetAccountLimits(self, command):
        limits = (command.order_notional_max, command.daily_notional_max, command.second_factor_above)
        code = 0
        if command.account not in self.accounts:
            code = Code.UNKNOWN_ACCOUNT
        elif command.asset not in self.assets:
            code = Code.UNKNOWN_ASSET
        elif min(limits) < 0 or max(limits) > AMOUNT_MAX:
            code = Code.INVALID_LIMITS
        if self.decide(command, code, AccountLimitsSet):
            self.accounts[command.account].limits[command.asset] = limits
            self.accounts[command.account].open_orders_max = command.open_orders_max

    def on_SetAccountRate(self, command):
        """How fast sessions may send is not the exchange's to hold."""
        self.decide(command, 0 if command.account in self.accounts else Code.UNKNOWN_ACCOUNT, AccountRateSet)

    def on_BlockAccount(self, command):
        is_blocked = 1 if command.is_blocked else 0
        code = 0
        if command.account not in self.accounts or command.account == FEES_ACCOUNT:
            code = Code.UNKNOWN_ACCOUNT
        count = 0
        if not code and is_blocked:
            count = self.end_all(CancelReason.KILL_SWITCH, account=command.account)
        if self.decide(command, code, AccountBlocked, is_blocked=is_blocked, count=count):
            self.accounts[command.account].is_blocked = bool(is_blocked)

    # --- money in and out --------------------------------------------------------------------------------------------

    def on_Deposit(self, command):
        self.move(command, 1, Deposited)

    def on_Withdraw(self, command):
        self.move(command, -1, Withdrawn)

    def move(self, command, sign, event_class):
        movement = (type(command), command.account, command.asset, command.amount)
        known = [before for reference, before in self.movements[-REFERENCES_MAX:] if reference == command.reference]
        code = next(self.faults_of_movement(command, sign, movement, known), 0)
        if not code and not known:
            self.add(command.account, command.asset, sign * command.amount)
            self.assets[command.asset].supply += sign * command.amount
            self.movements.append((command.reference, movement))
        after = self.available(command.account, command.asset)
        self.decide(command, code, event_class, available=after, is_duplicate=1 if known else 0)

    def faults_of_movement(self, command, sign, movement, known):
        if command.account not in self.accounts:
            yield Code.UNKNOWN_ACCOUNT
        if command.asset not in self.assets:
            yield Code.UNKNOWN_ASSET
        if command.amount <= 0 or command.amount > AMOUNT_MAX:
            yield Code.INVALID_AMOUNT
        if not 1 <= len(command.reference) <= 64 or not is_printable_ascii(command.reference):
            yield Code.INVALID_REFERENCE
        if known:
            if known[-1] != movement:
                yield Code.REFERENCE_CONFLICT
            return
        if sign > 0 and self.assets[command.asset].supply + command.amount > AMOUNT_MAX:
            yield Code.INVALID_AMOUNT
        withdrawable = self.available(command.account, command.asset)
        if command.account == FEES_ACCOUNT:
            withdrawable -= len(self.orders)  # rounding up has taken less than a unit of each: it may be due back
        if sign < 0 and command.amount > withdrawable:
            yield Code.INSUFFICIENT_FUNDS


def is_symbol(text):
    return 1 <= len(text) <= 32 and is_printable_ascii(text)
