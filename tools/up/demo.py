"""What a new venue has to show: two instruments, and a few resting orders in their empty books."""

#: number, symbol, price in units; prices of 0.01, quantities of 0.000001, orders in lots of 0.0001
INSTRUMENTS = ((1, "BTC-USDT", 6_000_000), (2, "ETH-USDT", 300_000))
PRICE_SCALE, QUANTITY_SCALE = 2, 6
TICK, LOT = 1, 100
COLLAR_BPS = 500
LEVELS = 5


async def make_demo(client, accounts):
    """Define what is missing of INSTRUMENTS, through a trusted client; in a book that was missing, the first of the
    accounts bids and the second asks. -> symbols defined."""
    taken = {}
    for instrument in await client.instruments():
        taken[instrument.instrument] = taken[instrument.symbol] = True
    made = []
    for number, symbol, price in INSTRUMENTS:
        if number in taken or symbol in taken:
            continue
        await client.define_instrument(
            number,
            symbol,
            price_scale=PRICE_SCALE,
            quantity_scale=QUANTITY_SCALE,
            tick=TICK,
            lot=LOT,
            collar_bps=COLLAR_BPS,
        )
        made.append(symbol)
        bidder, asker = accounts
        for level in range(1, LEVELS + 1):
            away = price * level // 2_000  # 0.05 % a level
            quantity = 25_000 * level  # 0.025 a level
            await client.place(instrument=number, side="buy", price=price - away, quantity=quantity, account=bidder)
            await client.place(instrument=number, side="sell", price=price + away, quantity=quantity, account=asker)
    return made
