"""`/admin/orderbook/stats`: how full the order books are."""

from typing import Annotated

import msgspec

from gateway.core import CORE
from gateway.cursors import Cursor, cursor_of, keys_of
from gateway.markets import StateName
from gateway.order_schema import DecimalText, Symbol
from gateway.routes import ADMIN, Example, RouteTable, Strict
from protocol.messages import INSTRUMENT_STATES

routes = RouteTable("admin")

BOOKS_MAX = 50  # in an answer: each is asked of the core


class BookSide(msgspec.Struct):
    best: str | None
    levels: int  # at most 500 are counted, here and in the sums
    orders: int
    quantity: DecimalText


class BookStats(msgspec.Struct):
    symbol: str
    state: StateName
    sequence: int  # event_seq
    spread: str | None
    bids: BookSide
    asks: BookSide


class BooksStats(msgspec.Struct):
    books: list[BookStats]
    next_cursor: str | None


class BooksQuery(Strict):
    symbol: Symbol | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=BOOKS_MAX)] = BOOKS_MAX
    cursor: Cursor | None = None


@routes.add(
    "GET",
    "/api/v1/admin/orderbook/stats",
    summary="How full the order books are",
    query=BooksQuery,
    response=BooksStats,
    role=ADMIN,
    errors=(404, 503),
    cost=10,
    examples=(Example("/api/v1/admin/orderbook/stats?symbol=BTC-USDT"), Example("/api/v1/admin/orderbook/stats")),
)
async def get_books(call):
    """In the order of the markets' numbers. Orders that wait for their stop price are in no book."""
    core, query = call[CORE], call.query
    after = keys_of(query.cursor, "books", 1)[0] if query.cursor is not None else 0
    if query.symbol is not None:
        markets, more = [core.market(query.symbol)], False
    else:
        markets = [market for number, market in sorted(core.catalogue.markets.items()) if number > after]
        markets, more = markets[: query.limit], len(markets) > query.limit
    books = []
    for market in markets:
        book = await core.ask(lambda client, number=market.instrument: client.depth(number))
        books.append(_book_stats(market, book))
    return BooksStats(books, cursor_of("books", markets[-1].instrument) if more else None)


def _book_stats(market, book):
    both = book.bids and book.asks
    return BookStats(
        symbol=market.symbol,
        state=INSTRUMENT_STATES[market.state],
        sequence=book.event_seq,
        spread=market.price(book.asks[0].price - book.bids[0].price) if both else None,
        bids=_side(market, book.bids),
        asks=_side(market, book.asks),
    )


def _side(market, levels):
    return BookSide(
        best=market.price(levels[0].price) if levels else None,
        levels=len(levels),
        orders=sum(level.orders for level in levels),
        quantity=market.quantity(sum(level.quantity for level in levels)),
    )
