"""`tools journal proof`: that money is only moved. Per asset, after any command: what all accounts have, available and
reserved, is what was deposited less what was withdrawn; with the hash of the state it was counted in."""

from engine.snapshot import state_hash
from protocol.messages import FEES_ACCOUNT
from tools.console import Failed, print_json, progress, table, utc
from tools.decimals import Scale
from tools.journal.state import state_at

EXIT_NOT_HELD = 1


def run(arguments):
    """-> 0 where the sums hold, 1 where they do not."""
    if arguments.at is not None and arguments.at < 0:
        raise Failed("--at must not be negative")
    with progress("replaying", arguments.at) as advance:
        state = state_at(arguments.directory, arguments.at, advance=advance)
    exchange = state.exchange
    assets = sums(exchange.ledger)
    proof = {
        "seq": exchange.seq,
        "event_seq": state.sequencer.event_seq,
        "time": utc(state.sequencer.time_ns),
        "state_hash": state_hash(exchange),
        "accounts": len(exchange.ledger.accounts),
        "holds": all(asset["holds"] for asset in assets),
        "assets": assets,
    }
    if arguments.json:
        print_json(proof, indent=1)
    else:
        _print(proof)
    return 0 if proof["holds"] else EXIT_NOT_HELD


def sums(ledger):
    """-> the figures of each asset, counted here from the balances themselves, in its units."""
    return [_sums_of(ledger, asset) for asset in ledger.assets.values()]


def _sums_of(ledger, asset):
    fees_index = ledger.accounts[FEES_ACCOUNT].index
    available, reserved = sum(asset.available), sum(asset.reserved)
    is_negative = min(asset.available) < 0 or min(asset.reserved) < 0
    return {
        "asset": asset.number,
        "symbol": asset.symbol,
        "scale": asset.scale,
        "deposited": asset.deposited,
        "withdrawn": asset.withdrawn,
        "available": available,
        "reserved": reserved,
        "of_that_fees": asset.available[fees_index] + asset.reserved[fees_index],
        "difference": available + reserved - (asset.deposited - asset.withdrawn),
        "holds": not is_negative and available + reserved == asset.deposited - asset.withdrawn,
    }


def _print(proof):
    print("after command %(seq)d (event %(event_seq)d) at %(time)s: %(accounts)d accounts" % proof)
    print("state hash %s\n" % proof["state_hash"])
    columns = ("deposited", "withdrawn", "available", "reserved", "of_that_fees", "difference")
    rows = []
    for asset in proof["assets"]:
        scale = Scale(asset["scale"])
        amounts = [scale.text(asset[name]) for name in columns]
        rows.append([asset["symbol"], *amounts, "yes" if asset["holds"] else "NO"])
    print("\n".join(table(["asset"] + [name.replace("_", " ") for name in columns] + ["holds"], rows)))
    print("\n%s" % ("The sums hold." if proof["holds"] else "THE SUMS DO NOT HOLD."))
