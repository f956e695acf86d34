"""The accounting of an open loop charges a stall to every request that had to wait for it."""

from tools.load.latency import SECOND_NS, Schedule, evenly, histogram, summary_us

MILLISECOND_NS = 1_000_000


def test_requests_are_due_evenly_in_the_order_of_the_flow():
    assert evenly([0, 1, 4], per_second=1000) == [0, MILLISECOND_NS, 4 * MILLISECOND_NS]


def test_due_counts_what_is_to_have_been_sent():
    schedule = Schedule(evenly(range(5), per_second=1000))
    assert [schedule.due(ms * MILLISECOND_NS) for ms in (0, 0.5, 1, 3.9, 100)] == [1, 1, 2, 4, 5]


def test_latency_counts_from_the_due_time_however_late_it_was_sent():
    schedule = Schedule(evenly(range(3), per_second=1000))
    schedule.due(10 * MILLISECOND_NS)  # the generator itself came late
    schedule.answered(2, 11 * MILLISECOND_NS)
    schedule.answered(3, 12 * MILLISECOND_NS)
    assert schedule.latency_ns == [11 * MILLISECOND_NS, 10 * MILLISECOND_NS, 10 * MILLISECOND_NS]


def test_warm_up_is_left_out_by_due_time():
    schedule = Schedule(evenly(range(4), per_second=1000))
    schedule.answered(4, 10 * MILLISECOND_NS)
    assert schedule.latencies_from(2 * MILLISECOND_NS) == [8 * MILLISECOND_NS, 7 * MILLISECOND_NS]


def test_a_stall_of_half_a_second_in_ten_shows_in_the_percentiles():
    """5 % of the requests are due in the stall. Who waits for each answer before sending would see one of them."""
    schedule = Schedule(evenly(range(10_000), per_second=1000))
    answer_ns = MILLISECOND_NS // 10
    for request, due_ns in enumerate(schedule.due_ns):
        stalled = 5 * SECOND_NS <= due_ns < 5 * SECOND_NS + SECOND_NS // 2
        if not stalled:
            schedule.answered(request + 1, due_ns + answer_ns)
    summary = summary_us(histogram(schedule.latency_ns))
    assert summary["count"] == 10_000
    assert abs(summary["p50"] - 100) <= 1
    assert abs(summary["p99"] - 400_000) <= 2000  # 1 % of them waited longer than 400 ms
    assert abs(summary["max"] - 500_000) <= 1000


def test_percentiles_are_exact_to_three_digits():
    summary = summary_us(histogram(us * 1000 for us in range(1, 10_001)))
    assert summary["count"] == 10_000
    for name, expected_us in (("p50", 5000), ("p90", 9000), ("p99", 9900), ("p99.9", 9990), ("max", 10_000)):
        assert abs(summary[name] - expected_us) <= expected_us / 1000 * 2, name
    assert abs(summary["mean"] - 5000.5) <= 10


def test_a_latency_beyond_the_range_is_counted_as_the_highest():
    assert summary_us(histogram([10**18]))["count"] == 1
