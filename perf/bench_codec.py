"""Writing and reading the messages of the hot path. Time is that of one message."""

import pyperf

from protocol.codec import FIXED_FRAME_BYTES_MAX, WRITERS, decode, encode
from protocol.framing import LENGTH_BYTES, FrameReader
from protocol.messages import CancelOrder, OrderAccepted, OrderCancelled, OrderFilled, PlaceOrder

MESSAGES = {
    "place_order": PlaceOrder(1, 1, 1, 1, 1, 0, 100_000, 50, request_id=12345),
    "place_order_with_client_id": PlaceOrder(
        1, 1, 1, 1, 1, 0, 100_000, 50, client_order_id="a-client-order-id", request_id=12345
    ),
    "cancel_order": CancelOrder(1, 1 << 30, request_id=12345),
    "order_accepted": OrderAccepted(
        1, 1 << 30, 1, 1, 1, 1, 0, 100_000, 50, 0, 50, 1, 0, 0, request_id=12345, event_seq=99
    ),
    "order_filled": OrderFilled(1, 1 << 30, 1, 1, 1, 77, 100_000, 50, 0, 3, request_id=12345, event_seq=99),
    "order_cancelled": OrderCancelled(1, 1 << 30, 1, 1, 1, 100_000, 50, request_id=12345, event_seq=99),
}
STREAM_FRAMES = 1000


def write(loops, message):
    writer, buffer = WRITERS[message.TYPE], bytearray(FIXED_FRAME_BYTES_MAX)
    started_s = pyperf.perf_counter()
    for _ in range(loops):
        writer(buffer, 0, message)
    return pyperf.perf_counter() - started_s


def read(loops, frame):
    end = len(frame)
    started_s = pyperf.perf_counter()
    for _ in range(loops):
        decode(frame, LENGTH_BYTES, end)
    return pyperf.perf_counter() - started_s


def cut(loops, stream):
    started_s = pyperf.perf_counter()
    for _ in range(loops):
        FrameReader().feed(stream)
    return pyperf.perf_counter() - started_s


def main():
    runner = pyperf.Runner(processes=5)
    for name, message in MESSAGES.items():
        runner.bench_time_func("write_" + name, write, message)
        runner.bench_time_func("read_" + name, read, encode(message))
    stream = encode(MESSAGES["place_order"]) * STREAM_FRAMES
    runner.bench_time_func("cut_frame", cut, stream, inner_loops=STREAM_FRAMES)


if __name__ == "__main__":
    main()
