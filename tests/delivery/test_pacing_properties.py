"""Back-off, rate limit, circuit and adaptive concurrency keep their bounds."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from bridge.delivery.concurrency import AdaptiveLimit
from bridge.delivery.pacing import Circuit, RateLimit
from bridge.model.backoff import Backoff


@given(st.integers(0, 2**32), st.integers(1, 10_000))
def test_backoff_grows_to_its_cap_and_is_never_nothing(seed, failures):
    """Every delay lies between a twentieth of the exponential and the exponential, capped."""
    most = min(30.0, 0.5 * 2.0 ** min(failures - 1, 16))
    assert most * 0.05 <= Backoff(Random(seed)).delay(failures) <= most


@given(st.floats(1, 5_000), st.lists(st.tuples(st.floats(0, 0.2), st.integers(1, 800)), max_size=200))
def test_rate_limit_is_never_exceeded(rate, demands):
    """Over any stretch from the start no more leaves than rate x time + burst + one request."""
    limit, now, sent, largest = RateLimit(rate), 100.0, 0.0, 0
    for pause, units in demands:
        now += pause + limit.wait(now + pause)
        limit.spend(units, now)
        sent += units
        largest = max(largest, units)
        assert sent <= rate * (now - 100.0 + 0.25) + largest + 1e-3


def test_rate_zero_is_no_limit():
    """0 turns a limit off."""
    limit = RateLimit(0)
    limit.spend(1e9, 0.0)
    assert limit.wait(0.0) == 0.0


@given(st.lists(st.sampled_from(["leave", "success", "failure", "inconclusive", "tick"]), max_size=200))
def test_circuit_sends_one_probe_at_a_time(steps):
    """While open at most one request is out; a success closes it; it never refuses forever."""
    circuit, now, out = Circuit(3, Backoff(Random(1))), 0.0, 0
    for step in steps:
        wait = circuit.wait(now)
        if step == "tick":
            now += 5.0
        elif step == "leave":
            if wait == 0.0:
                was_open = circuit.open
                circuit.request_sent()
                out += 1
                if was_open:
                    assert circuit.wait(now) is None
        elif out:
            out -= 1
            if step == "success":
                circuit.success()
                assert not circuit.open
            else:
                getattr(circuit, step)(now)
    if circuit.wait(now) is None:
        circuit.inconclusive(now)
    assert circuit.wait(now) <= 30.0


class _Top(Random):
    """The longest wait each time."""

    def uniform(self, _low, high):
        return high


def test_circuit_opens_at_the_threshold_and_probes_further_apart():
    """Failures in a row open it; each failed probe makes the next later (up to the cap)."""
    circuit = Circuit(3, Backoff(_Top(), base=1.0, cap=8.0))
    for _ in range(2):
        circuit.failure(0.0)
    assert not circuit.open
    circuit.failure(0.0)
    waits = []
    now = 0.0
    for _ in range(5):
        waits.append(circuit.wait(now))
        now += waits[-1]
        circuit.request_sent()
        circuit.failure(now)
    assert waits == [1.0, 2.0, 4.0, 8.0, 8.0]


@given(st.integers(1, 64), st.lists(st.tuples(st.floats(0.001, 3), st.booleans()), max_size=300))
def test_concurrency_stays_between_one_and_its_ceiling(ceiling, answers):
    """Whatever is answered, the limit keeps its floor and its ceiling."""
    limit = AdaptiveLimit(ceiling)
    now = 0.0
    for seconds, refused in answers:
        now += seconds
        if refused:
            limit.refused(now)
        limit.answered(seconds, limit.limit)
        assert 1 <= limit.limit <= ceiling


def test_concurrency_grows_while_latency_is_steady_and_shrinks_when_refused_or_slow():
    """Additive increase on quick rounds that used the limit; multiplicative decrease otherwise; idle does not grow it."""
    limit = AdaptiveLimit(16)
    for _ in range(400):
        limit.answered(0.02, limit.limit)
    assert limit.limit == 16
    for _ in range(200):
        limit.refused(0.0)
        limit.answered(0.02, limit.limit)
    assert limit.limit < 8
    before = limit.limit
    for _ in range(before):
        limit.answered(5.0, limit.limit)
    assert limit.limit <= before
    idle = AdaptiveLimit(16)
    for _ in range(100):
        idle.answered(0.02, 1)
    assert idle.limit == 2


def test_one_overload_lowers_concurrency_once_and_lasting_refusals_lower_it_by_time_too():
    """Sixteen refusals at once are one step down; where nothing is answered any more, each second or full round is another."""
    limit = AdaptiveLimit(16, start=16)
    for _ in range(16):
        limit.refused(0.0)
    assert limit.limit == 14
    few = AdaptiveLimit(16, start=16)
    for now in (0.0, 0.5, 0.99):
        few.refused(now)
    assert few.limit == 14
    few.refused(1.0)
    assert few.limit == 12
    for now in range(2, 60):
        few.refused(float(now))
    assert few.limit == 1
    many = AdaptiveLimit(16, start=16)
    for _ in range(16 + 14):
        many.refused(0.0)
    assert many.limit == 12


def test_a_round_of_nothing_but_refusals_says_nothing_of_latency():
    """After it quick answers count as quick, and the limit grows again."""
    limit = AdaptiveLimit(4, start=4)
    for _ in range(40):
        limit.refused(0.0)
    assert limit.limit == 1
    for _ in range(40):
        limit.answered(0.02, limit.limit)
    assert limit.limit == 4


def test_the_first_request_leaves_at_once():
    """Whatever the clock shows, also nothing; the second one waits for its share less what may leave together."""
    limit = RateLimit(2)
    assert limit.wait(0.0) == 0.0
    limit.spend(1, 0.0)
    assert limit.wait(0.0) == 0.25
    assert limit.wait(0.25) == 0.0


def test_a_closed_circuit_holds_nothing_back():
    """The success of the probe ends the wait, whenever the next probe was due."""
    circuit = Circuit(1, Backoff(Random(1)))
    circuit.failure(0.0)
    assert circuit.wait(0.0) > 0
    circuit.success()
    assert circuit.wait(0.0) == 0.0


def test_what_left_before_the_circuit_opened_puts_no_probe_off():
    """A dozen requests may fail after it: each would double the wait, and the end of an outage would be seen minutes late."""
    circuit = Circuit(2, Backoff(_Top(), base=1.0, cap=8.0))
    circuit.failure(10.0)
    assert circuit.wait(10.0) == 0.0
    circuit.failure(10.0)
    first = circuit.wait(10.0)
    for later in (10.1, 10.2, 10.3):
        circuit.failure(later)
        assert circuit.wait(10.0) == first
    circuit.request_sent()
    circuit.failure(20.0)
    assert circuit.wait(20.0) == 2 * first
