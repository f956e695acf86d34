"""The `trades`, `candles` and `ticker` streams of all markets, from the fills that the core tells."""

import asyncio
import time

from gateway.errors import ApiError
from gateway.streams import render
from gateway.streams.candles import Minutes, bar_of, start_of
from gateway.streams.topics import DEPTH, EVERY_MARKET, ORDERBOOK, TICKER, TIMEFRAMES, TRADES, Topic
from gateway.streams.trades import Trades
from protocol.messages import Liquidity

#: A trade waits for the change of the book that comes with it, as two messages then cost one write a client; but never
#: longer than this, where the change does not come because the core has no processor, or the book is not there yet.
TOGETHER_SECONDS = 0.010
SEED_AGAIN_SECONDS = 10.0  # after the history could not tell
SEED_WAIT_SECONDS = 0.5  # that somebody who asks for a ticker once waits for the history

_OF_ALL = Topic(TRADES, EVERY_MARKET)


class TradeStream:
    def __init__(self, catalogue, subscriptions, archive):
        self._catalogue = catalogue
        self._subscriptions = subscriptions
        self._archive = archive
        self._due = []  # (Topic, frame) of trades to tell
        self._timer = None  # that tells them
        self._seeding = {}  # instrument -> task that asks the history for its minutes, or has: True where it told
        self._maker = None  # the fill whose other side comes next
        self.trades = Trades()
        self._minutes = {}  # instrument -> Minutes
        self._candles = {}  # (instrument, timeframe) -> _CandleStream
        self._tickers = {}  # instrument -> _TickerStream

    def minutes_of(self, instrument):
        found = self._minutes.get(instrument)
        if found is None:
            found = self._minutes[instrument] = Minutes()
            market = self._catalogue.markets.get(instrument)
            found.last = market.last_price if market is not None else 0
        return found

    def begin_after(self, event_seq):
        """Nothing of before this event is known, whatever was: what is followed asks the history again."""
        self.trades.begin(event_seq)
        self._maker = None
        self._minutes.clear()
        self._seeding.clear()
        for stream in (*self._tickers.values(), *self._candles.values()):
            self._seed_once(stream.market)

    def take(self, fill):
        """An OrderFilled, the maker's before the taker's."""
        if fill.liquidity == Liquidity.MAKER:
            self._maker = fill
            return
        maker, self._maker = self._maker, None
        if maker is None or maker.trade_id != fill.trade_id:
            return  # the first event that was ever seen is the second half of a trade
        self.trades.add(maker, fill)
        is_new = self.minutes_of(fill.instrument).trade(fill.event_seq, fill.time_ns, fill.price, fill.quantity)
        self._tell(maker, fill)
        for timeframe in TIMEFRAMES if is_new else ():
            stream = self._candles.get((fill.instrument, timeframe))
            if stream is not None:
                stream.traded(fill)

    def _tell(self, maker, taker):
        of_market = Topic(TRADES, taker.instrument)
        if self._subscriptions.of(of_market) or self._subscriptions.of(_OF_ALL):
            self._due.append((of_market, self.frame(maker, taker)))
            if not any(self._subscriptions.of(Topic(channel, taker.instrument)) for channel in (DEPTH, ORDERBOOK)):
                self.flush()
            elif self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(TOGETHER_SECONDS, self.flush)

    def flush(self):
        """Tell the trades that wait; whoever tells or asks something else of the market does it before."""
        due, self._due = self._due, []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for topic, frame in due:
            of_market = self._subscriptions.of(topic)
            for client in of_market:
                client.send(frame)
            for client in self._subscriptions.of(_OF_ALL):
                if client not in of_market:
                    client.send(frame)

    def frame(self, maker, taker):
        """-> a frame of the trade's trade_executed."""
        return render.trade_executed(maker, taker, self._catalogue.markets[taker.instrument]).frame()

    # --- candles and tickers ---

    def begin(self, client, topic):
        """Tell a new subscriber how it is now."""
        stream = self._state_stream(topic)
        frame = stream.now()
        if frame is not None:
            client.send_latest(stream.now, frame)

    def end(self, client, topic):
        stream = self._state_stream(topic)
        client.forget(stream.now)
        if not self._subscriptions.of(topic):
            self._candles.pop((topic.instrument, topic.timeframe), None)
            self._tickers.pop(topic.instrument if topic.channel == TICKER else None, None)

    async def ticker(self, market):
        """-> (messages.Ticker as it is now, whether the history is in it). It waits a moment for the history."""
        seeding = self._seed_once(market)
        await asyncio.wait([seeding], timeout=SEED_WAIT_SECONDS)
        message = render.ticker(self.minutes_of(market.instrument), market, time.time_ns())
        return message, seeding.done() and seeding.result()

    def _seed_once(self, market):
        """-> the task."""
        found = self._seeding.get(market.instrument)
        if found is None:
            found = self._seeding[market.instrument] = asyncio.get_running_loop().create_task(self._seed(market))
        return found

    async def _seed(self, market):
        """The minutes of before this gateway, once: tickers and candles are of what it has seen until then, and where
        the history cannot tell. -> whether it could."""
        try:
            found = await self._archive.minutes(market)
        except ApiError:
            found = None
        newer = self.trades.after(found[0], market.instrument) if found is not None else None
        if newer is None:  # nobody tells, or the tables are too far behind for what is remembered here
            again = asyncio.get_running_loop().call_later
            again(SEED_AGAIN_SECONDS, self._seeding.pop, market.instrument)  # whoever comes then asks again
            return False
        bars = found[1]
        minutes = self.minutes_of(market.instrument)
        last = bars[-1].close if bars else minutes.last
        minutes.seed(
            bars, last, found[0], [(fill.event_seq, fill.time_ns, fill.price, fill.quantity) for _, fill in newer]
        )
        for (instrument, _), stream in self._candles.items():
            if instrument == market.instrument:
                stream.load()
        return True

    def second(self):
        """Once a second: tickers, and candles whose time is over."""
        now_ns = time.time_ns()
        for stream in self._tickers.values():
            self._subscriptions.send_latest(stream.topic, stream.now, stream.now())
        for stream in self._candles.values():
            stream.roll(now_ns)

    def _state_stream(self, topic):
        instrument, timeframe = topic.instrument, topic.timeframe
        market = self._catalogue.markets[instrument]
        self._seed_once(market)
        if topic.channel == TICKER:
            found = self._tickers.get(instrument)
            if found is None:
                found = self._tickers[instrument] = _TickerStream(topic, market, self)
            return found
        found = self._candles.get((instrument, timeframe))
        if found is None:
            found = self._candles[(instrument, timeframe)] = _CandleStream(topic, market, self, self._subscriptions)
        return found


class _TickerStream:
    def __init__(self, topic, market, trades):
        self.topic = topic
        self.market = market
        self._trades = trades

    def now(self):
        return render.ticker(self._trades.minutes_of(self.market.instrument), self.market, time.time_ns()).frame()


class _CandleStream:
    """The present candle of a market and timeframe; a candle that is over is told once more, as closed."""

    def __init__(self, topic, market, trades, subscriptions):
        self._topic = topic
        self.market = market
        self._trades = trades
        self._subscriptions = subscriptions
        self._bar = self._minutes().candle(self._topic.timeframe, time.time_ns())

    def load(self):
        """Make the candle anew from the minutes, and tell it."""
        self._bar = self._minutes().candle(self._topic.timeframe, time.time_ns())
        if self._bar is not None:
            self._subscriptions.send_latest(self._topic, self.now, self.now())

    def now(self):
        return self._frame(False) if self._bar is not None else None

    def traded(self, fill):
        start_ns = start_of(self._topic.timeframe, fill.time_ns)
        if self._bar is not None and self._bar.start_ns < start_ns:
            self._close()
        elif self._bar is not None and self._bar.trades:
            self._bar.add(bar_of(fill.time_ns, fill.price, fill.quantity))
        if self._bar is None or self._bar.start_ns < start_ns or not self._bar.trades:
            self._bar = self._minutes().candle(self._topic.timeframe, fill.time_ns)
        self._subscriptions.send_latest(self._topic, self.now, self.now())

    def roll(self, now_ns):
        if self._bar is None:
            self.load()
        elif self._bar.start_ns < start_of(self._topic.timeframe, now_ns):
            self._close()
            self._bar = self._minutes().candle(self._topic.timeframe, now_ns)
            self._subscriptions.send_latest(self._topic, self.now, self.now())

    def _close(self):
        """An event: never dropped."""
        self._subscriptions.send(self._topic, self._frame(True))

    def _frame(self, is_closed):
        sequence = self._minutes().sequence
        message = render.candle(self._bar, self._topic.timeframe, is_closed, sequence, self.market, time.time_ns())
        return message.frame()

    def _minutes(self):
        return self._trades.minutes_of(self.market.instrument)
