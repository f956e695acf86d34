"""Runs a throw-away core over a real loopback connection, so that the JIT has seen all before the first trader."""

import asyncio

from engine.credentials import create_key, new_keys
from engine.exchange import RULES_VERSION, Exchange
from engine.journal import Journal
from engine.sequencer import Sequencer
from engine.server import Server
from engine.warmup_trader import FUNDED, PLAIN, WarmUpTrader
from protocol.journal import End
from protocol.login import TRADER
from protocol.messages import DefineAsset, DefineInstrument, Deposit, Durability, OpenAccount, SetFees
from protocol.records import CLEAN

ACCOUNTS = (1, 2)
SUPPLY = 10**15


class NoDisk:
    """A disk that keeps nothing."""

    def open(self, path):
        return 0

    def write(self, fd, data, offset):
        pass

    def sync(self, fd):
        pass

    def zero(self, fd, start, end, pause=None):
        pass

    def allocate(self, fd, start, end, pause=None):
        pass

    def rename(self, source, target):
        pass

    def remove(self, path):
        pass

    def close(self, fd):
        pass


def _venue():
    """-> the commands that make the throw-away venue."""
    commands = [
        DefineAsset(0, 1, 2, 0, "WARM-BASE"),
        DefineAsset(0, 2, 4, 0, "WARM-QUOTE"),
        DefineInstrument(0, FUNDED, 2, 2, 1, 1, 50, 1, 2, 0, "WARM"),
        DefineInstrument(0, PLAIN, 2, 2, 1, 1, 50, 0, 0, 0, "WARM-PLAIN"),
        SetFees(0, FUNDED, 0, 1000, 2000, 0),
    ]
    for account in ACCOUNTS:
        commands.append(OpenAccount(account, 0, "warm-%d" % account))
        commands += [Deposit(account, asset, SUPPLY, 0, "warm-%d-%d" % (account, asset)) for asset in (1, 2)]
    return commands


async def warm_up(loop, directory, commands, now_ns, clock_s, random_bytes, new_nonce):
    """Run `commands` through a throw-away core, half of them with durability write, half with sync. `directory` is
    only named, not written to."""
    keys = new_keys(random_bytes)
    traders = [create_key(keys, account, TRADER, random_bytes) for account in ACCOUNTS]
    for durability in (Durability.WRITE, Durability.SYNC):
        journal = Journal(directory, NoDisk(), End("", 0, CLEAN, "", 0, 1, 1, 0, 0), 1, RULES_VERSION)
        server = Server(loop, Sequencer(Exchange(), now_ns), journal, keys, durability, new_nonce, clock_s)
        for command in _venue():
            server.submit_own(0, 0, command)
        port = await server.listen("127.0.0.1", 0)
        running = []
        for key, secret in traders:
            done = loop.create_future()
            trader = WarmUpTrader(key, secret, new_nonce(), commands // 4, done)
            await loop.create_connection(lambda trader=trader: trader, "127.0.0.1", port)
            running.append(done)
        await asyncio.gather(*running)
        await server.stop()
