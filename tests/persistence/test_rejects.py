"""What the event of a reject or of a mass cancel does not say stands in its command: whatever request ids clients
choose, it is that command and no sibling's."""

import pytest

from engine.exchange import Exchange
from protocol.content import record_commands
from protocol.journal import JournalReader
from protocol.messages import ORDER_TYPES, SIDES, CancelAccount, CancelInstrument, CommandRejected, PlaceOrder
from tests.persistence.databases import drain
from tests.persistence.journals import CrowdJournal
from tests.postgres import query


def decided(directory):
    """Yields (command, its first event, the instrument it is about or None, event_seq of its first and last event) of
    each command, decided again."""
    exchange = Exchange()
    for _, _, record in JournalReader(directory):
        event_seq = record.first_event_seq - 1
        for _, command in record_commands(record):
            events = exchange.apply(exchange.seq + 1, record.time_ns, command)
            book = exchange.books.get(getattr(command, "instrument", 0))
            if events:
                yield command, events[0], book and book.instrument, event_seq + 1, event_seq + len(events)
            event_seq += len(events)


def units(value, scale):
    return int(value.scaleb(scale)) if value is not None else 0


@pytest.mark.parametrize("request_ids", [1, 3])
async def test_each_order_that_was_rejected_has_its_own_terms(tmp_path, database, request_ids):
    crowd = CrowdJournal(tmp_path, seed=9, request_ids=request_ids).add(4_000)
    crowd.close()
    await drain(tmp_path, database, crowd.exchange.seq - 1)
    expected, instruments, cancels = {}, {}, {}
    for command, event, instrument, first, last in decided(tmp_path):
        is_reject = type(event) is CommandRejected
        if type(command) is PlaceOrder and is_reject and instrument:
            instruments[-first] = instrument
            expected[-first] = (
                command.account, SIDES.get(command.side), ORDER_TYPES.get(command.order_type), command.price,
                command.stop_price, command.quantity, command.client_order_id.replace("\0", "\ufffd"),
            )  # fmt: skip
        elif type(command) in (CancelAccount, CancelInstrument) and not is_reject:
            cancels[last] = command.reason
    found = {}
    for order_id, account, side, kind, price, stop_price, quantity, name in query(
        database,
        "SELECT order_id, account, side, type, price, stop_price, quantity, coalesce(client_order_id, '') FROM orders"
        " WHERE status = 'REJECTED'",
    ):
        instrument = instruments.get(order_id)
        assert instrument, "event %d is no rejected order" % -order_id
        price, stop_price = units(price, instrument.price_scale), units(stop_price, instrument.price_scale)
        found[order_id] = account, side, kind, price, stop_price, units(quantity, instrument.quantity_scale), name
    assert len(expected) > 300
    assert found == expected
    rows = query(database, "SELECT event_seq, reason FROM audit_logs WHERE action LIKE 'cancel_%'")
    assert cancels and dict(rows) == cancels
