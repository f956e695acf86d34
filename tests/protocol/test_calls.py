"""A call is complete when the events that its first event promised have come."""

import pytest

from protocol.calls import (
    Amended,
    Book,
    CancelAllCall,
    CancelledAll,
    Instrument,
    Level,
    MatchingCall,
    Order,
    Placed,
    Rejected,
    RequestRefused,
    SingleCall,
    book_of,
    number_of,
)
from protocol.messages import (
    DUPLICATE_FIELDS,
    INSTRUMENT_COLUMNS,
    ORDER_COLUMNS,
    SIDES,
    AccountBlocked,
    AllCancelled,
    CancelReason,
    Code,
    CommandRejected,
    Depth,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderDuplicate,
    OrderFilled,
    SelfTradePrevented,
    SelfTradePrevention,
)

ORDER_ID, OTHER_ORDER_ID = 5, 4


def accepted(quantity, filled_quantity, open_quantity):
    return OrderAccepted(
        70, ORDER_ID, 1, 1, 1, 1, 0, 100, quantity, filled_quantity, open_quantity, 1, 0, 0, "abc",
        event_seq=31, time_ns=77,
    )  # fmt: skip


def amended(quantity, filled_quantity, open_quantity, price=101):
    values = (70, ORDER_ID, 1, 1, int(price == 100), 100, price, quantity, 0, filled_quantity, open_quantity)
    return OrderAmended(*values, event_seq=31, time_ns=77)


def filled(quantity, left, order_id=ORDER_ID):
    """`left`: what the order has open after it."""
    return OrderFilled(70, order_id, 1, 1, 2, 9, 100, quantity, left, 0)


def cancelled(quantity, order_id=ORDER_ID, reason=CancelReason.IOC_REMAINDER):
    return OrderCancelled(70, order_id, 1, 1, reason, 100, quantity)


def prevented(quantity, left, mode=SelfTradePrevention.DECREMENT):
    return SelfTradePrevented(70, 1, mode, 1, OTHER_ORDER_ID, ORDER_ID, 100, quantity, 0, left)


def placed(quantity, filled_quantity, open_quantity, cancel_reason="", fills=(), cancelled_quantity=0):
    quantities = (quantity, filled_quantity, open_quantity)
    return Placed(ORDER_ID, "abc", *quantities, cancel_reason, list(fills), 31, 77, cancelled_quantity)


def test_an_order_that_rests_is_placed_at_once():
    assert MatchingCall().take(accepted(10, 0, 10)) == placed(10, 0, 10)


def test_an_order_that_fills_is_placed_with_its_last_fill():
    call = MatchingCall()
    assert call.take(accepted(10, 7, 3)) is None
    assert call.take(filled(2, 8)) is None
    assert call.take(filled(5, 3)) == placed(10, 7, 3, fills=[filled(2, 8), filled(5, 3)])


def test_an_order_of_which_a_rest_is_cancelled_is_placed_with_the_cancel():
    call = MatchingCall()
    assert call.take(accepted(10, 7, 0)) is None
    assert call.take(filled(7, 3)) is None
    assert call.take(cancelled(3)) == placed(10, 7, 0, "ioc_remainder", [filled(7, 3)], 3)


def test_an_order_of_which_nothing_fills_is_placed_with_the_cancel():
    call = MatchingCall()
    assert call.take(accepted(10, 0, 0)) is None
    assert call.take(cancelled(10)) == placed(10, 0, 0, "ioc_remainder", cancelled_quantity=10)


def test_the_other_side_of_a_trade_with_ourselves_is_not_counted():
    call = MatchingCall()
    call.take(accepted(10, 10, 0))
    assert call.take(filled(10, 0, OTHER_ORDER_ID)) is None
    assert call.take(filled(10, 0)) == placed(10, 10, 0, fills=[filled(10, 0)])


def test_an_order_that_self_trade_prevention_ends_is_placed_with_the_cancel():
    call = MatchingCall()
    assert call.take(accepted(10, 7, 0)) is None
    assert call.take(filled(7, 3)) is None
    assert call.take(prevented(3, 3, SelfTradePrevention.CANCEL_TAKER)) is None
    ended = cancelled(3, reason=CancelReason.SELF_TRADE)
    assert call.take(ended) == placed(10, 7, 0, "self_trade", [filled(7, 3)], 3)


def test_an_order_that_loses_its_last_quantity_to_self_trade_prevention_is_placed_with_the_cancel():
    call = MatchingCall()
    assert call.take(accepted(10, 7, 0)) is None
    assert call.take(filled(7, 3)) is None
    assert call.take(prevented(3, 0)) is None
    assert call.take(cancelled(4, OTHER_ORDER_ID, CancelReason.SELF_TRADE)) is None
    ended = cancelled(0, reason=CancelReason.SELF_TRADE)
    assert call.take(ended) == placed(10, 7, 0, "self_trade", [filled(7, 3)], 0)


def test_an_order_that_loses_a_part_to_self_trade_prevention_and_fills_with_the_rest():
    call = MatchingCall()
    assert call.take(accepted(10, 7, 0)) is None
    assert call.take(prevented(3, 7)) is None
    assert call.take(filled(7, 0)) == placed(10, 7, 0, fills=[filled(7, 0)])


def test_an_order_that_was_placed_before_is_a_duplicate():
    differs = 1 << DUPLICATE_FIELDS.index("price") | 1 << DUPLICATE_FIELDS.index("stop_price")
    event = OrderDuplicate(70, ORDER_ID, 1, 1, 10, 4, differs, "abc", event_seq=31, time_ns=77)
    assert MatchingCall().take(event) == Placed(
        ORDER_ID, "abc", 10, 0, 4, "", [], 31, 77, is_duplicate=True, differs=("price", "stop_price")
    )


def test_an_amend_is_complete_with_its_fills():
    call = MatchingCall()
    assert call.take(amended(20, 5, 8)) is None  # 7 were filled before: 5 and 8 do not add up to 20
    assert call.take(filled(5, 8)) == Amended(ORDER_ID, False, 101, 20, 5, 8, [filled(5, 8)], 31, 77)
    call = MatchingCall()
    assert call.take(amended(20, 5, 0)) is None
    assert call.take(filled(5, 0)) == Amended(ORDER_ID, False, 101, 20, 5, 0, [filled(5, 0)], 31, 77)


def test_an_amend_that_meets_an_own_order_is_complete_with_the_cancel():
    call = MatchingCall()
    assert call.take(amended(20, 5, 0)) is None
    assert call.take(filled(5, 8)) is None
    assert call.take(prevented(8, 8, SelfTradePrevention.CANCEL_TAKER)) is None
    ended = call.take(cancelled(8, reason=CancelReason.SELF_TRADE))
    assert (ended.filled_quantity, ended.cancel_reason, ended.cancelled_quantity) == (5, "self_trade", 8)


def test_an_amend_without_fills_is_complete_at_once():
    assert MatchingCall().take(amended(5, 0, 5, price=100)) == Amended(ORDER_ID, True, 100, 5, 0, 5, [], 31, 77)


@pytest.mark.parametrize("call", [MatchingCall, CancelAllCall, SingleCall])
def test_a_reject_raises_with_its_code_and_name(call):
    event = CommandRejected(70, Code.UNKNOWN_ORDER, 0, 5)
    with pytest.raises(Rejected, match="^unknown_order$") as caught:
        call().take(event)
    assert (caught.value.code, caught.value.name, caught.value.event) == (2, "unknown_order", event)


def test_a_cancel_all_gathers_what_it_cancelled():
    call = CancelAllCall()
    assert call.take(cancelled(3)) is None
    assert call.take(cancelled(4, OTHER_ORDER_ID)) is None
    assert call.take(AllCancelled(70, 0, 2)) == CancelledAll(2, [cancelled(3), cancelled(4, OTHER_ORDER_ID)])
    call = CancelAllCall()
    assert call.take(cancelled(3)) is None
    assert call.take(AccountBlocked(70, 1, 1, 9, "why")) == CancelledAll(1, [cancelled(3)])


def test_a_refusal_tells_its_name_and_text():
    assert str(RequestRefused(Code.INVALID_FIELD, "PlaceOrder.price: too much")) == (
        "invalid_field: PlaceOrder.price: too much"
    )
    assert RequestRefused(119).name == "code_119"  # of a later version


def test_depth_becomes_a_book():
    depth = Depth(1, 9, [[1, 100, 5, 1], [1, 99, 7, 2], [2, 101, 3, 1]])
    assert book_of(depth) == Book(1, 9, [Level(100, 5, 1), Level(99, 7, 2)], [Level(101, 3, 1)])


def test_rows_have_their_columns_as_attributes():
    assert Order(*range(len(ORDER_COLUMNS))).client_order_id == len(ORDER_COLUMNS) - 1
    assert Instrument(*range(len(INSTRUMENT_COLUMNS))).symbol == 7


@pytest.mark.parametrize("value", [1, "buy", "BUY", "Buy"])
def test_a_number_may_be_given_by_its_name(value):
    assert number_of(SIDES, value, "side") == 1


def test_a_name_that_does_not_exist_is_told_with_those_that_do():
    with pytest.raises(ValueError, match="side 'bid'; one of buy, sell"):
        number_of(SIDES, "bid", "side")
