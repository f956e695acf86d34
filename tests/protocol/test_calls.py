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
    INSTRUMENT_COLUMNS,
    ORDER_COLUMNS,
    SIDES,
    AllCancelled,
    CancelReason,
    Code,
    CommandRejected,
    Depth,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
)

ORDER_ID, OTHER_ORDER_ID = 5, 4


def accepted(quantity, filled_quantity, open_quantity):
    return OrderAccepted(
        70, ORDER_ID, 1, 1, 1, 1, 0, 100, quantity, filled_quantity, open_quantity, "abc", event_seq=31, time_ns=77
    )


def filled(quantity, order_id=ORDER_ID):
    return OrderFilled(70, order_id, 1, 1, 2, 9, 100, quantity, 0)


def cancelled(quantity, order_id=ORDER_ID):
    return OrderCancelled(70, order_id, 1, 1, CancelReason.IOC_REMAINDER, 100, quantity)


def placed(quantity, filled_quantity, open_quantity, cancel_reason="", fills=()):
    return Placed(ORDER_ID, "abc", quantity, filled_quantity, open_quantity, cancel_reason, list(fills), 31, 77)


def test_an_order_that_rests_is_placed_at_once():
    assert MatchingCall().take(accepted(10, 0, 10)) == placed(10, 0, 10)


def test_an_order_that_fills_is_placed_with_its_last_fill():
    call = MatchingCall()
    assert call.take(accepted(10, 7, 3)) is None
    assert call.take(filled(2)) is None
    assert call.take(filled(5)) == placed(10, 7, 3, fills=[filled(2), filled(5)])


def test_an_order_of_which_a_rest_is_cancelled_is_placed_with_the_cancel():
    call = MatchingCall()
    assert call.take(accepted(10, 7, 0)) is None
    assert call.take(filled(7)) is None
    assert call.take(cancelled(3)) == placed(10, 7, 0, "ioc_remainder", [filled(7)])


def test_an_order_of_which_nothing_fills_is_placed_with_the_cancel():
    call = MatchingCall()
    assert call.take(accepted(10, 0, 0)) is None
    assert call.take(cancelled(10)) == placed(10, 0, 0, "ioc_remainder")


def test_the_other_side_of_a_trade_with_ourselves_is_not_counted():
    call = MatchingCall()
    call.take(accepted(10, 10, 0))
    assert call.take(filled(10, OTHER_ORDER_ID)) is None
    assert call.take(filled(10)) == placed(10, 10, 0, fills=[filled(10)])


def test_an_amend_is_complete_with_its_fills():
    amended = OrderAmended(70, ORDER_ID, 1, 1, 0, 100, 101, 20, 5, 8, event_seq=31, time_ns=77)
    call = MatchingCall()
    assert call.take(amended) is None  # 7 were filled before: 5 and 8 do not add up to 20, and nothing is cancelled
    assert call.take(filled(5)) == Amended(ORDER_ID, False, 101, 20, 5, 8, [filled(5)], 31, 77)


def test_an_amend_without_fills_is_complete_at_once():
    amended = OrderAmended(70, ORDER_ID, 1, 1, 1, 100, 100, 5, 0, 5, event_seq=31, time_ns=77)
    assert MatchingCall().take(amended) == Amended(ORDER_ID, True, 100, 5, 0, 5, [], 31, 77)


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


def test_a_refusal_tells_its_name_and_text():
    assert str(RequestRefused(Code.INVALID_FIELD, "PlaceOrder.price: too much")) == (
        "invalid_field: PlaceOrder.price: too much"
    )
    assert RequestRefused(119).name == "code_119"  # of a later version


def test_depth_becomes_a_book():
    depth = Depth(1, 9, [[1, 100, 5, 1], [1, 99, 7, 2], [2, 101, 3, 1]])
    assert book_of(depth) == Book(1, 9, [Level(100, 5, 1), Level(99, 7, 2)], [Level(101, 3, 1)])


def test_rows_have_their_columns_as_attributes():
    assert Order(*range(len(ORDER_COLUMNS))).client_order_id == 8
    assert Instrument(*range(len(INSTRUMENT_COLUMNS))).symbol == 7


@pytest.mark.parametrize("value", [1, "buy", "BUY", "Buy"])
def test_a_number_may_be_given_by_its_name(value):
    assert number_of(SIDES, value, "side") == 1


def test_a_name_that_does_not_exist_is_told_with_those_that_do():
    with pytest.raises(ValueError, match="side 'bid'; one of buy, sell"):
        number_of(SIDES, "bid", "side")
