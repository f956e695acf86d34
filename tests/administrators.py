"""What administrators do to the crowd of tests/commands.py: fees that round, limits that bind, money in and out."""

from protocol.messages import (
    FEES_ACCOUNT,
    BlockAccount,
    CancelAccount,
    CancelInstrument,
    DefineAsset,
    DefineInstrument,
    Deposit,
    InstrumentState,
    OpenAccount,
    SetAccountLimits,
    SetAccountRate,
    SetAccountTier,
    SetFees,
    SetInstrumentLimits,
    SetInstrumentState,
    Withdraw,
)

ACCOUNTS = (1, 2, 3)
TAKER_PPM = (0, 1, 1, 333, 1_000, 2_500, 100_000)
USERS = ("user-1", "user-2", "user-3", "user-4", "user-5", "x" * 64, "x" * 65, "a b", "")
MAKER_PPM = (-2_000, -333, -1, 0, 1, 777, 100_000)


def next_command(random):
    return random.choice(KINDS)(random)


def set_state(random):
    states = (InstrumentState.OPEN,) * 17
    states += (InstrumentState.HALTED, InstrumentState.POST_ONLY, InstrumentState.CANCEL_ONLY)
    return SetInstrumentState(0, random.randint(1, 4), random.choice(states), 9, "because")


def set_instrument_limits(random):
    """Most of them lift all limits."""
    instrument = random.randint(1, 4)
    if random.randint(0, 2):
        return SetInstrumentLimits(0, instrument, 0, 0, 0, 0, 9)
    quantity_min = random.choice((0, 0, 2, 20))
    return SetInstrumentLimits(
        0,
        instrument,
        quantity_min,
        random.choice((0, 0, 10, 100)),
        random.choice((0, 400, 1_000)),
        random.choice((0, 0, 200, 500)),
        9,
        "tight",
    )


def set_fees(random):
    return SetFees(
        0, random.choice((2, 4, 4)), random.randint(0, 2), random.choice(MAKER_PPM), random.choice(TAKER_PPM), 9
    )


def set_tier(random):
    return SetAccountTier(random.choice(ACCOUNTS), random.randint(0, 3), 9, "volume")


def set_account_limits(random):
    """Most of them lift all limits."""
    if random.randint(0, 2):
        return SetAccountLimits(random.choice(ACCOUNTS), 2, 0, 0, 0, 0, 9)
    return SetAccountLimits(
        random.choice(ACCOUNTS),
        random.choice((1, 2, 2, 2)),
        random.choice((0, 5_000, 100_000)),
        random.choice((0, 2_000, 500_000)),
        random.choice((0, 500, 50_000)),
        random.choice((0, 0, 3, 10)),
        9,
    )


def block(random):
    return BlockAccount(random.choice(ACCOUNTS), random.choice((0,) * 9 + (1,)), 9, "switch")


def deposit(random):
    """Few references, so that some come again, with the same amount and with another."""
    asset = random.choice((1, 2))
    amount = random.choice((1, 2_000))
    return Deposit(random.choice(ACCOUNTS), asset, amount, 9, "in-%d" % random.randint(1, 300))


def withdraw(random):
    account = random.choice((*ACCOUNTS, FEES_ACCOUNT))
    return Withdraw(
        account, random.choice((1, 2, 2)), random.choice((1, 10, 3_000)), 9, "out-%d" % random.randint(1, 200)
    )


def cancel_instrument(random):
    return CancelInstrument(0, random.randint(1, 4), random.randint(0, 2), 9, "broken")


def cancel_account(random):
    return CancelAccount(random.choice((0, *ACCOUNTS)), random.choice((0, 0, 1, 2, 9)), random.randint(0, 3), 9, "over")


def set_rate(random):
    return SetAccountRate(random.choice((*ACCOUNTS, 9)), random.randint(0, 100), 9, "fast")


def define_instrument(random):
    symbol = "SYMBOL-%d" % random.randint(1, 8)
    base, quote = random.choice(((0, 0), (1, 2), (2, 1), (1, 1), (1, 7)))
    scales = random.randint(0, 3), random.randint(0, 3)
    return DefineInstrument(0, random.randint(1, 7), *scales, 1, 1, 100, base, quote, 9, symbol)


def define_asset(random):
    return DefineAsset(0, random.randint(1, 4), random.randint(0, 6), 9, random.choice(("BASE", "OTHER", "MORE")))


def open_account(random):
    return OpenAccount(random.choice((0, 0, 1, 3, 5, 6, 7)), 9, random.choice(USERS))


KINDS = (
    *(set_fees, set_tier, set_account_limits, set_instrument_limits) * 3,
    *(block, deposit, deposit, withdraw) * 3,
    *(set_state,) * 8,
    *(cancel_instrument, cancel_account, set_rate, define_instrument, define_asset, open_account),
)
