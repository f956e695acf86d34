"""What a request can be refused with: one exception, stable codes, and what each code of the core becomes over HTTP."""

from protocol.messages import CODES, Code

#: A code of the core -> (status, field of the request that is to blame, what to tell). Others are 422 without a field.
_CORE = {
    Code.UNKNOWN_INSTRUMENT: (404, "symbol", "there is no such market"),
    Code.UNKNOWN_ORDER: (404, None, "there is no such open order of yours"),
    Code.INVALID_SIDE: (422, "side", "not a side"),
    Code.INVALID_ORDER_TYPE: (422, "type", "not an order type"),
    Code.INVALID_TIME_IN_FORCE: (422, "time_in_force", "not for this order type"),
    Code.INVALID_PRICE: (422, "price", "missing, too large, or given for an order without a limit price"),
    Code.INVALID_QUANTITY: (422, "quantity", "missing, not positive, or too large"),
    Code.PRICE_NOT_ON_TICK: (422, "price", "not a multiple of the market's tick"),
    Code.QUANTITY_NOT_ON_LOT: (422, "quantity", "not a multiple of the market's lot"),
    Code.NOTIONAL_TOO_LARGE: (422, "quantity", "price x quantity is too large"),
    Code.POST_ONLY_WOULD_MATCH: (422, "post_only", "the order would match at once"),
    Code.POST_ONLY_INVALID: (422, "post_only", "only a limit order that can rest may be post-only"),
    Code.MARKET_NEEDS_IMMEDIATE: (422, "time_in_force", "a market order is ioc or fok"),
    Code.NO_LIQUIDITY: (422, None, "the opposite side of the book is empty"),
    Code.INSTRUMENT_HALTED: (409, "symbol", "trading is halted: cancels only"),
    Code.INSTRUMENT_POST_ONLY: (409, "symbol", "the market takes only cancels and post-only orders"),
    Code.INSTRUMENT_CANCEL_ONLY: (409, "symbol", "the market takes only cancels and smaller quantities"),
    Code.INVALID_CLIENT_ORDER_ID: (422, "client_order_id", "1 to 36 printable ASCII characters without a space"),
    Code.AMEND_NO_CHANGE: (422, None, "the order is like that already"),
    Code.AMEND_BELOW_FILLED: (422, "quantity", "that much or more is filled already"),
    Code.BOOK_FULL: (503, None, "this side of the book is full"),
    Code.VENUE_FULL: (503, None, "the venue has no room for another order"),
    Code.FOK_UNFILLABLE: (422, "quantity", "the whole quantity cannot be had at this limit"),
    Code.INVALID_STOP_PRICE: (422, "stop_price", "missing, off the tick, too large, or given for an order without one"),
    Code.STOP_WOULD_TRIGGER: (422, "stop_price", "the last trade has reached it already"),
    Code.INVALID_EXPIRE_TIME: (422, "expire_time", "gtd needs a time to come, and nothing else takes one"),
    Code.STOP_NEEDS_TO_WAIT: (422, "time_in_force", "a stop order is gtc or gtd"),
    Code.UNKNOWN_ASSET: (404, "asset", "there is no such asset"),
    Code.UNKNOWN_ACCOUNT: (404, "user", "this user has no account"),
    Code.INVALID_AMOUNT: (422, "amount", "not positive, or too large"),
    Code.INSUFFICIENT_FUNDS: (422, None, "not enough of the asset is available"),
    Code.INVALID_REFERENCE: (422, "reference", "1 to 64 printable ASCII characters without a space"),
    Code.REFERENCE_CONFLICT: (409, "reference", "it was used for something else"),
    Code.INVALID_USER: (422, "user", "1 to 64 printable ASCII characters without a space"),
    Code.ACCOUNT_BLOCKED: (403, None, "the account is blocked"),
    Code.QUANTITY_BELOW_MINIMUM: (422, "quantity", "below the market's minimum"),
    Code.QUANTITY_ABOVE_MAXIMUM: (422, "quantity", "above the market's maximum"),
    Code.NOTIONAL_BELOW_MINIMUM: (422, "quantity", "price x quantity is below the market's minimum"),
    Code.PRICE_OUTSIDE_BAND: (422, "price", "too far from the last trade's price"),
    Code.ORDER_NOTIONAL_LIMIT: (422, "quantity", "above the account's limit for one order"),
    Code.DAILY_NOTIONAL_LIMIT: (422, "quantity", "above the account's limit for one day"),
    Code.OPEN_ORDERS_LIMIT: (422, None, "the account has as many open orders as it may"),
    Code.SECOND_FACTOR_REQUIRED: (403, None, "an amount like this needs a token with a second factor"),
    Code.INVALID_QUOTE_QUANTITY: (422, "quote_quantity", "positive, for a market order, and instead of quantity"),
    Code.QUOTE_QUANTITY_TOO_SMALL: (422, "quote_quantity", "does not pay for one lot"),
    Code.INVALID_FIELD: (422, None, "a value is out of range"),
    Code.NOT_ALLOWED: (403, None, "not allowed"),
    Code.JOURNAL_FULL: (503, None, "the journal's disk is full: reads go on"),
    Code.TOO_MANY_QUERIES: (503, None, "too many questions at a time"),
    Code.RATE_LIMITED: (503, None, "the core takes no more commands at this moment"),
}


class ApiError(Exception):
    """Ends a request with an error of the envelope. `code` is stable and for programs, `message` for people; `field`
    names what of the request is to blame and becomes details.field."""

    def __init__(self, status, code, message, field=None, details=None, headers=None):
        super().__init__("%s: %s" % (code, message))
        self.status = status
        self.code = code
        self.message = message
        self.details = dict(details or {})
        if field is not None:
            self.details["field"] = field
        self.headers = headers or {}


def of_core(failure, **details):
    """A Rejected or RequestRefused of the core -> ApiError."""
    status, field, message = _CORE.get(failure.code, (422, None, CODES.get(failure.code, "refused").replace("_", " ")))
    if failure.text:
        message = "%s: %s" % (message, failure.text)
    headers = {"Retry-After": "1"} if status == 503 else None
    return ApiError(status, failure.name, message, field, details, headers)


def core_unavailable():
    return ApiError(503, "core_unavailable", "the exchange cannot be reached", headers={"Retry-After": "1"})


def history_unavailable(why="the database cannot be reached"):
    return ApiError(503, "history_unavailable", why, headers={"Retry-After": "1"})
