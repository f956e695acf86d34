"""What administrators did, as changes of reference data and as the audit log. Pure.

Each handler takes the Builder and an event's fields: type, request_id, event_seq, time_ns, key, account, ... It may add
to `batch.changes`: (what, {column: value}), for the store to make statements of. There are few of these events.
"""

import json

from persistence.depth import decimal_text
from persistence.literals import NULL, quoted
from persistence.state import Instrument
from protocol.messages import (
    INSTRUMENT_STATES,
    MESSAGES,
    SIDES,
    AccountBlocked,
    AccountLimitsSet,
    AccountOpened,
    AccountRateSet,
    AccountTierSet,
    AllCancelled,
    AssetDefined,
    CancelAccount,
    CancelInstrument,
    Deposited,
    FeesSet,
    InstrumentDefined,
    InstrumentLimitsSet,
    InstrumentStateChanged,
    Withdrawn,
    wire_fields,
)


def _fields(event):
    """-> the event as a dict by field name."""
    return dict(zip([name for name, _ in wire_fields(MESSAGES[event[0]])], event[1:]))


def _audit(builder, fields, action, account=0, instrument=0, asset=0, reason="", **details):
    builder.batch.audit_logs.append((
        fields["event_seq"], builder.time_us, fields["admin"], action, account or NULL, instrument or NULL,
        asset or NULL, quoted(reason) if reason else NULL, quoted(json.dumps(details).replace("\\u0000", "\\ufffd")),
    ))  # fmt: skip


def _change(builder, what, fields, **columns):
    builder.batch.changes.append((what, dict(columns, event_seq=fields["event_seq"])))


def _limit(units, scale):
    """-> the amount as text; None where there is no limit."""
    return decimal_text(units, scale) if units else None


# --- assets and instruments ------------------------------------------------------------------------------------------


def _asset_defined(builder, event):
    fields = _fields(event)
    asset, scale, symbol = fields["asset"], fields["scale"], fields["symbol"]
    builder.state.assets[asset] = scale
    _change(builder, "asset", fields, asset=asset, symbol=symbol, scale=scale)
    _audit(builder, fields, "define_asset", asset=asset, symbol=symbol, scale=scale)


def _instrument_defined(builder, event):
    fields = _fields(event)
    number, base, quote = fields["instrument"], fields["base"], fields["quote"]
    price_scale, quantity_scale = fields["price_scale"], fields["quantity_scale"]
    assets = builder.state.assets
    builder.state.instruments[number] = Instrument(
        number, fields["symbol"], price_scale, quantity_scale, fields["collar_bps"], base, quote,
        assets.get(base, 0), assets.get(quote, 0),
    )  # fmt: skip
    columns = dict(
        symbol=fields["symbol"],
        price_scale=price_scale,
        quantity_scale=quantity_scale,
        tick=decimal_text(fields["tick"], price_scale),
        lot=decimal_text(fields["lot"], quantity_scale),
        collar_bps=fields["collar_bps"],
    )
    _change(builder, "instrument", fields, instrument=number, base=base or None, quote=quote or None, **columns)
    _audit(builder, fields, "define_instrument", instrument=number, base=base, quote=quote, **columns)


def _instrument_state_changed(builder, event):
    fields = _fields(event)
    state = INSTRUMENT_STATES[fields["state"]]
    number = fields["instrument"]
    _change(builder, "instrument_state", fields, instrument=number, state=state)
    _audit(builder, fields, "set_instrument_state", instrument=number, reason=fields["reason"], state=state)


def _instrument_limits_set(builder, event):
    fields = _fields(event)
    number = fields["instrument"]
    instrument = builder.state.instrument(number, fields["event_seq"])
    columns = dict(
        quantity_min=_limit(fields["quantity_min"], instrument.quantity_scale),
        quantity_max=_limit(fields["quantity_max"], instrument.quantity_scale),
        notional_min=_limit(fields["notional_min"], instrument.price_scale + instrument.quantity_scale),
        band_bps=fields["band_bps"] or None,
    )
    _change(builder, "instrument_limits", fields, instrument=number, **columns)
    _audit(builder, fields, "set_instrument_limits", instrument=number, reason=fields["reason"], **columns)


def _fees_set(builder, event):
    fields = _fields(event)
    number, tier = fields["instrument"], fields["tier"]
    maker_ppm, taker_ppm = fields["maker_ppm"], fields["taker_ppm"]
    instrument = builder.state.instrument(number, fields["event_seq"])
    instrument.fees[tier] = (maker_ppm, taker_ppm, max(maker_ppm, taker_ppm, 0))
    columns = dict(tier=tier, maker_ppm=maker_ppm, taker_ppm=taker_ppm)
    _change(builder, "fees", fields, instrument=number, **columns)
    _audit(builder, fields, "set_fees", instrument=number, reason=fields["reason"], **columns)


# --- accounts --------------------------------------------------------------------------------------------------------


def _account_opened(builder, event):
    fields = _fields(event)
    account, user = fields["account"], fields["user"]
    if fields["is_new"]:
        builder.state.tiers[account] = 0
        _change(builder, "account", fields, account=account, user_id=user, opened_us=builder.time_us)
        _audit(builder, fields, "open_account", account=account, user=user)


def _account_tier_set(builder, event):
    fields = _fields(event)
    account, tier = fields["account"], fields["tier"]
    builder.state.tiers[account] = tier
    _change(builder, "account_tier", fields, account=account, tier=tier)
    _audit(builder, fields, "set_account_tier", account=account, reason=fields["reason"], tier=tier)


def _account_limits_set(builder, event):
    fields = _fields(event)
    account, asset = fields["account"], fields["asset"]
    scale = builder.state.assets[asset]
    amounts = {
        name: _limit(fields[name], scale)
        for name in ("order_notional_max", "daily_notional_max", "second_factor_above")
    }
    orders_max = fields["open_orders_max"] or None
    _change(builder, "limits", fields, account=account, asset=asset, **amounts)
    _change(builder, "account_open_orders", fields, account=account, open_orders_max=orders_max)
    _audit(
        builder, fields, "set_account_limits", account=account, asset=asset, reason=fields["reason"],
        open_orders_max=orders_max, **amounts,
    )  # fmt: skip


def _account_rate_set(builder, event):
    fields = _fields(event)
    account, rate = fields["account"], fields["commands_per_second"] or None
    _change(builder, "account_rate", fields, account=account, commands_per_second=rate)
    _audit(builder, fields, "set_account_rate", account=account, reason=fields["reason"], commands_per_second=rate)


def _account_blocked(builder, event):
    fields = _fields(event)
    account, is_blocked = fields["account"], bool(fields["is_blocked"])
    _change(builder, "account_blocked", fields, account=account, is_blocked=is_blocked)
    action = "block_account" if is_blocked else "unblock_account"
    _audit(builder, fields, action, account=account, reason=fields["reason"], cancelled_orders=fields["count"])


def _moved(action, kind, sign):
    def handler(builder, event):
        fields = _fields(event)
        if fields["is_duplicate"]:
            return
        account, asset, amount = fields["account"], fields["asset"], fields["amount"]
        builder.ledger.move(fields["event_seq"], builder.time_us, account, asset, sign * amount, kind)
        amount = decimal_text(amount, builder.state.assets[asset])
        _audit(builder, fields, action, account=account, asset=asset, amount=amount, reference=fields["reference"])

    return handler


def _all_cancelled(builder, event):
    """Of a trader, or of an administrator: then the command tells who and why."""
    fields = _fields(event)
    command = builder.commands.answered(fields["event_seq"])
    if type(command) in (CancelInstrument, CancelAccount):
        action = "cancel_instrument" if type(command) is CancelInstrument else "cancel_account"
        fields["admin"] = command.admin
        details = dict(side=SIDES.get(command.side), cancelled_orders=fields["count"])
        account = 0 if type(command) is CancelInstrument else command.account
        _audit(builder, fields, action, account, command.instrument, reason=command.reason, **details)


#: type number of an event -> its handler
HANDLERS = {
    AssetDefined.TYPE: _asset_defined,
    InstrumentDefined.TYPE: _instrument_defined,
    InstrumentStateChanged.TYPE: _instrument_state_changed,
    InstrumentLimitsSet.TYPE: _instrument_limits_set,
    FeesSet.TYPE: _fees_set,
    AccountOpened.TYPE: _account_opened,
    AccountTierSet.TYPE: _account_tier_set,
    AccountLimitsSet.TYPE: _account_limits_set,
    AccountRateSet.TYPE: _account_rate_set,
    AccountBlocked.TYPE: _account_blocked,
    Deposited.TYPE: _moved("deposit", "deposit", 1),
    Withdrawn.TYPE: _moved("withdraw", "withdrawal", -1),
    AllCancelled.TYPE: _all_cancelled,
}
