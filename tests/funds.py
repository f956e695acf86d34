"""tests/trading.py with money: GOLD is METAL traded for CASH, one unit of each being the smallest."""

from engine.exchange import Exchange
from protocol.messages import (
    FEES_ACCOUNT,
    DefineAsset,
    Deposit,
    OpenAccount,
    SetAccountLimits,
    SetFees,
    SetInstrumentLimits,
    Withdraw,
)
from tests.trading import ADMIN, ALICE, BOB, CAROL, GOLD, Trading

METAL, CASH = 1, 2


class FundedTrading(Trading):
    """Three accounts, each with `cash` and `metal`; no fees unless a test sets them."""

    def __init__(self, cash=10_000, metal=100, metal_scale=0, cash_scale=0, **instrument):
        self.exchange = Exchange(order_slots=4)
        self.now_ns = 0
        self.references = 0
        self.do(DefineAsset(0, METAL, metal_scale, ADMIN, "METAL"))
        self.do(DefineAsset(0, CASH, cash_scale, ADMIN, "CASH"))
        self.define(GOLD, "GOLD", base=METAL, quote=CASH, **instrument)
        for account in (ALICE, BOB, CAROL):
            self.do(OpenAccount(account, ADMIN, "user-%d" % account))
            self.deposit(account, CASH, cash)
            self.deposit(account, METAL, metal)

    def reference(self):
        self.references += 1
        return "reference-%d" % self.references

    def deposit(self, account, asset, amount, reference=""):
        return self.do(Deposit(account, asset, amount, ADMIN, reference or self.reference())) if amount else []

    def withdraw(self, account, asset, amount, reference=""):
        return self.do(Withdraw(account, asset, amount, ADMIN, reference or self.reference()))

    def set_fees(self, maker_ppm, taker_ppm, tier=0):
        return self.do(SetFees(0, GOLD, tier, maker_ppm, taker_ppm, ADMIN))

    def limit_account(self, account, order=0, daily=0, second_factor=0, open_orders=0, asset=CASH):
        return self.do(SetAccountLimits(account, asset, order, daily, second_factor, open_orders, ADMIN))

    def limit_instrument(self, quantity_min=0, quantity_max=0, notional_min=0, band_bps=0):
        return self.do(SetInstrumentLimits(0, GOLD, quantity_min, quantity_max, notional_min, band_bps, ADMIN))

    def balance(self, account, asset):
        """-> (available, reserved)."""
        index = self.exchange.ledger.accounts[account].index
        balances = self.exchange.ledger.assets[asset]
        return balances.available[index], balances.reserved[index]

    def cash(self, account):
        return self.balance(account, CASH)

    def metal(self, account):
        return self.balance(account, METAL)

    def fees(self):
        return self.cash(FEES_ACCOUNT)[0]
