"""What happened, in the core's units -> messages in decimal text. Pure."""

import msgspec

from gateway.amounts import average_of
from gateway.streams.book import array
from gateway.streams.messages import (
    Candle,
    Depth,
    DepthUpdate,
    Fill,
    OrderbookUpdate,
    OrderState,
    OrderUpdate,
    Ticker,
    TradeExecuted,
)
from gateway.times import text_of_ns
from protocol.messages import SIDES, Liquidity, Side, names_of

LIQUIDITIES = names_of(Liquidity)


def order_update(update, catalogue):
    """order_states.Update -> OrderUpdate."""
    message = OrderUpdate(
        sequence=update.event_seq,
        timestamp=text_of_ns(update.time_ns),
        order_id=str(update.order_id) if update.order_id else None,
        **_state(update, catalogue),
    )
    fill, market = update.fill, catalogue.markets.get(update.instrument)
    if fill is not None:
        message.fill = Fill(
            trade_id=str(fill.trade_id),
            price=market.price(fill.price),
            quantity=market.quantity(fill.quantity),
            liquidity=LIQUIDITIES[fill.liquidity],
            fee=market.fee(fill.fee),
            fee_asset=market.quote,
        )
    return message


def order_state(update, catalogue):
    """order_states.Update of an open order -> OrderState."""
    return OrderState(order_id=str(update.order_id), **_state(update, catalogue))


def _state(update, catalogue):
    market = catalogue.markets.get(update.instrument)  # None: it was rejected for that
    filled, notional = update.filled_quantity, update.filled_notional
    return {
        "client_order_id": update.client_order_id or None,
        "symbol": market.symbol if market else None,
        "side": SIDES.get(update.side),
        "status": update.status,
        "filled_quantity": None if filled is None else market.quantity(filled) if market else "0",
        "remaining_quantity": market.quantity(update.open_quantity) if market else "0",
        "average_price": average_of(notional, filled, market.price_scale) if notional else None,
        "reason": update.reason or None,
    }


def trade_executed(maker, taker, market):
    """The two OrderFilled of a trade -> TradeExecuted."""
    buyer, seller = (taker, maker) if taker.side == Side.BUY else (maker, taker)
    return TradeExecuted(
        sequence=taker.event_seq,
        timestamp=text_of_ns(taker.time_ns),
        trade_id=str(taker.trade_id),
        symbol=market.symbol,
        price=market.price(taker.price),
        quantity=market.quantity(taker.quantity),
        taker_side=SIDES[taker.side],
        buyer_fee=market.fee(buyer.fee),
        seller_fee=market.fee(seller.fee),
    )


def orderbook_update(best, sequence, market, now_ns):
    """LevelBook.best() -> OrderbookUpdate."""
    bid, bid_quantity, ask, ask_quantity = best
    return OrderbookUpdate(
        sequence=sequence,
        timestamp=text_of_ns(now_ns),
        symbol=market.symbol,
        best_bid=None if bid is None else market.price(bid),
        best_ask=None if ask is None else market.price(ask),
        bid_quantity=None if bid is None else market.quantity(bid_quantity),
        ask_quantity=None if ask is None else market.quantity(ask_quantity),
        spread=None if bid is None or ask is None else market.price(ask - bid),
    )


def depth(book, market, now_ns):
    """LevelBook -> Depth."""
    bids, asks = book.rows()
    return Depth(
        sequence=book.sequence,
        timestamp=text_of_ns(now_ns),
        symbol=market.symbol,
        bids=msgspec.Raw(bids),
        asks=msgspec.Raw(asks),
    )


def depth_update(changed, previous_sequence, sequence, market, now_ns):
    """What LevelBook.change() returned -> DepthUpdate."""
    bids = array([row for (side, _), row in changed.items() if side == Side.BUY])
    asks = array([row for (side, _), row in changed.items() if side == Side.SELL])
    return DepthUpdate(
        sequence=sequence,
        timestamp=text_of_ns(now_ns),
        previous_sequence=previous_sequence,
        symbol=market.symbol,
        bids=msgspec.Raw(bids),
        asks=msgspec.Raw(asks),
    )


def ticker(minutes, market, now_ns):
    """candles.Minutes -> Ticker."""
    day = minutes.day(now_ns)
    return Ticker(
        sequence=minutes.sequence,
        timestamp=text_of_ns(now_ns),
        symbol=market.symbol,
        last=market.price(minutes.last) if minutes.last else None,
        open=market.price(day.open) if day else None,
        high=market.price(day.high) if day else None,
        low=market.price(day.low) if day else None,
        volume=market.quantity(day.volume if day else 0),
        quote_volume=market.notional(day.quote_volume if day else 0),
        change=market.price(day.close - day.open) if day else None,
    )


def candle(bar, timeframe, is_closed, sequence, market, now_ns):
    """candles.Bar -> Candle."""
    return Candle(
        sequence=sequence,
        timestamp=text_of_ns(now_ns),
        symbol=market.symbol,
        timeframe=timeframe,
        start=text_of_ns(bar.start_ns),
        open=market.price(bar.open),
        high=market.price(bar.high),
        low=market.price(bar.low),
        close=market.price(bar.close),
        volume=market.quantity(bar.volume),
        quote_volume=market.notional(bar.quote_volume),
        trades=bar.trades,
        is_closed=is_closed,
    )
