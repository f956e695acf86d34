"""What a new venue has to show: assets, two instruments with fees, two accounts with money, a few resting orders."""

#: symbol, scale, what each account is given in whole units
ASSETS = (("BTC", 8, 10), ("ETH", 8, 200), ("USDT", 8, 1_000_000))
#: number, symbol, base, quote, price in units; prices of 0.01, quantities of 0.000001, orders in lots of 0.0001
INSTRUMENTS = ((1, "BTC-USDT", "BTC", "USDT", 6_000_000), (2, "ETH-USDT", "ETH", "USDT", 300_000))
PRICE_SCALE, QUANTITY_SCALE = 2, 6
TICK, LOT = 1, 100
COLLAR_BPS = 500
MAKER_PPM, TAKER_PPM = 1_000, 2_000  # 0.1 % and 0.2 %
LEVELS = 5


async def make_demo(client, accounts):
    """Define what is missing of INSTRUMENTS, through a trusted client, and give the accounts money, once; in a book
    that was missing, the first of the accounts bids and the second asks. -> symbols defined."""
    taken = {}
    for instrument in await client.instruments():
        taken[instrument.instrument] = taken[instrument.symbol] = True
    missing = [row for row in INSTRUMENTS if row[0] not in taken and row[1] not in taken]
    if missing:
        assets = await _fund(client, accounts)
        for number, symbol, base, quote, price in missing:
            await client.define_instrument(
                number,
                symbol,
                price_scale=PRICE_SCALE,
                quantity_scale=QUANTITY_SCALE,
                tick=TICK,
                lot=LOT,
                collar_bps=COLLAR_BPS,
                base=assets[base],
                quote=assets[quote],
            )
            await client.set_fees(number, maker_ppm=MAKER_PPM, taker_ppm=TAKER_PPM, reason="demo")
            await _quote(client, number, price, accounts)
    return [symbol for _, symbol, _, _, _ in missing]


async def _fund(client, accounts):
    """Open the accounts, define the assets, deposit. -> {symbol: asset number}"""
    for account in accounts:
        await client.open_account("demo-%d" % account, account=account)
    found = await client.balances(account=accounts[0])
    assets = {balance.symbol: balance.asset for balance in found}
    scales = {balance.symbol: balance.scale for balance in found}
    for symbol, scale, whole in ASSETS:
        if symbol not in assets:
            assets[symbol] = max(assets.values(), default=0) + 1
            scales[symbol] = scale
            await client.define_asset(assets[symbol], symbol, scale=scale)
        for account in accounts:
            amount = whole * 10 ** scales[symbol]
            await client.deposit(account, assets[symbol], amount, "demo-%d-%s" % (account, symbol))
    return assets


async def _quote(client, number, price, accounts):
    bidder, asker = accounts
    for level in range(1, LEVELS + 1):
        away = price * level // 2_000  # 0.05 % a level
        quantity = 25_000 * level  # 0.025 a level
        await client.place(instrument=number, side="buy", price=price - away, quantity=quantity, account=bidder)
        await client.place(instrument=number, side="sell", price=price + away, quantity=quantity, account=asker)
