"""What administrators did, as rows of audit_logs: made from their commands. Events only tell whether it was done; the
drainer has it all from them.
"""

import re
from typing import Any

from protocol.messages import (
    AccountBlocked,
    AccountLimitsSet,
    AccountOpened,
    AccountRateSet,
    AccountTierSet,
    AllCancelled,
    AssetDefined,
    BlockAccount,
    CancelAccount,
    CancelInstrument,
    DefineAsset,
    DefineInstrument,
    Deposit,
    Deposited,
    FeesSet,
    InstrumentDefined,
    InstrumentLimitsSet,
    InstrumentStateChanged,
    OpenAccount,
    SetAccountLimits,
    SetAccountRate,
    SetAccountTier,
    SetFees,
    SetInstrumentLimits,
    SetInstrumentState,
    Withdraw,
    Withdrawn,
)
from tools.console import fields_of
from tools.decimals import Scale
from tools.reconcile.comparison import storable

AUDIT_LOGS = ("event_seq", "time", "admin", "action", "account", "instrument", "asset", "reason", "details")

#: command -> the event that says it was done
DONE = {
    DefineAsset: AssetDefined,
    DefineInstrument: InstrumentDefined,
    SetInstrumentState: InstrumentStateChanged,
    SetInstrumentLimits: InstrumentLimitsSet,
    SetFees: FeesSet,
    OpenAccount: AccountOpened,
    SetAccountTier: AccountTierSet,
    SetAccountLimits: AccountLimitsSet,
    SetAccountRate: AccountRateSet,
    BlockAccount: AccountBlocked,
    Deposit: Deposited,
    Withdraw: Withdrawn,
    CancelInstrument: AllCancelled,
    CancelAccount: AllCancelled,
}
#: Those that are about a market, or about the venue: whoever they are sent for is not whom they are about.
_OF_NO_ACCOUNT = (
    DefineAsset, DefineInstrument, SetInstrumentState, SetInstrumentLimits, SetFees, CancelInstrument,
)  # fmt: skip
_COLUMNS = ("request_id", "account", "instrument", "asset", "admin", "reason")  # what else a command says: `details`


def audit_row(exchange, command, events):
    """-> (the row without its place in the journal, the event that it is of); (None, None) where nothing was done."""
    event: Any = next((event for event in events if type(event) is DONE.get(type(command))), None)
    if event is None or getattr(event, "is_duplicate", False) or not getattr(event, "is_new", True):
        return None, None
    action = re.sub("(?<!^)(?=[A-Z])", "_", type(command).__name__).lower()
    if type(command) is BlockAccount and not command.is_blocked:
        action = "unblock_account"
    row = {
        "admin": command.admin,
        "action": action,
        "account": None if type(command) in _OF_NO_ACCOUNT else event.account,
        "instrument": getattr(command, "instrument", 0) or None,
        "asset": getattr(command, "asset", 0) or None,
        "reason": storable(getattr(command, "reason", "")) or None,
        "details": {name: storable(value) for name, value in _details(exchange, command, event).items()},
    }
    return row, event


def _details(exchange, command, event):
    """-> {name: value}; amounts as text, None for a limit that there is not."""
    if type(command) is BlockAccount:
        return {"cancelled_orders": event.count}
    details = fields_of(command, leave_out=_COLUMNS)
    if type(command) in (CancelInstrument, CancelAccount):
        return {"side": details["side"] or None, "cancelled_orders": event.count}
    scales = {}
    limits = ()
    if type(command) in (Deposit, Withdraw):
        scales["amount"] = exchange.ledger.assets[command.asset].scale
    elif type(command) is DefineInstrument:
        scales.update(tick=command.price_scale, lot=command.quantity_scale)
    elif type(command) is SetAccountLimits:
        names = ("order_notional_max", "daily_notional_max", "second_factor_above")
        scales = dict.fromkeys(names, exchange.ledger.assets[command.asset].scale)
        limits = (*names, "open_orders_max")
    elif type(command) is SetInstrumentLimits:
        of = exchange.books[command.instrument].instrument
        scales = dict.fromkeys(("quantity_min", "quantity_max"), of.quantity_scale)
        scales["notional_min"] = of.price_scale + of.quantity_scale
        limits = (*scales, "band_bps")
    elif type(command) is SetAccountRate:
        limits = ("commands_per_second",)
    for name, value in details.items():
        if name in limits and not value:
            details[name] = None
        elif name in scales:
            details[name] = Scale(scales[name]).text(value)
    return details
