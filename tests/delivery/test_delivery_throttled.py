"""Being asked for less, in virtual time: no hot loop, back quickly, and a state that is told when it lasts."""

import asyncio

import pytest
from structlog.testing import capture_logs
from virtual_delivery import OK, events, feed, run, settle

from bridge.delivery.flow_control import FlowControl
from bridge.delivery.throttle import Throttle
from bridge.model.backoff import Backoff
from bridge.model.verdicts import Throttled, Transient
from bridge.telemetry.metrics import Metrics


class _Top:
    """Random numbers that are always the largest."""

    def uniform(self, _low, high):
        """The upper end."""
        return high


def _throttle():
    return Throttle(Backoff(_Top(), cap=2.0))


def test_a_pause_is_never_shorter_than_the_backoff():
    """Retry-After of 0 or of a moment does not replace the back-off; a longer one does."""
    throttle = _throttle()
    for retry_after, until in ((0.0, 0.5), (None, 1.5), (0.1, 3.5), (7.0, 10.5), (None, 12.5)):
        throttle.refused(throttle.until, 429, retry_after)
        assert throttle.until == until


def test_refusals_of_one_overload_are_one():
    """Sixteen that left before the pause lengthen it no further; one that names a later time does; a bound holds for all."""
    throttle = _throttle()
    for _ in range(16):
        throttle.refused(10.0, 429, None)
    assert throttle.until == 10.5
    throttle.refused(10.1, 429, 5.0)
    assert throttle.until == 15.1
    throttle.refused(10.2, 503, 3_600.0)
    assert throttle.until == 610.2
    assert throttle.status == 503


def test_without_a_time_the_next_try_is_two_seconds_away_at_most():
    """However often it was refused and however the jitter falls: with the request itself that stays below three seconds."""
    flow_control = FlowControl(
        ceiling=4, requests_per_second=0, events_per_second=0, share=lambda: 1.0, circuit_threshold=5, random=_Top(),
        metrics=Metrics(),
    )  # fmt: skip
    now, waits = 100.0, []
    for _ in range(12):
        flow_control.note(Throttled(429), now, seconds=0.1, under_way=1)
        waits.append(flow_control.wait(now, waiting=True))
        now += waits[-1]
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, *[2.0] * 7])
    assert flow_control.most == 1
    assert flow_control.next_try(now - 2) == "next try in 2 s"
    flow_control.note(OK, now, seconds=0.1, under_way=1)
    assert flow_control.wait(now, waiting=True) == 0
    assert flow_control.next_try(now) == "next try now"
    assert flow_control.throttled(now + 1e6) == ""


def test_the_alarm_counts_from_the_first_refusal_and_ends_with_a_success():
    """A minute without a success; the pause that was asked for outlasts a success, the state does not."""
    throttle = _throttle()
    assert not throttle.active
    throttle.refused(100.0, 429, 90.0)
    throttle.refused(150.0, 429, None)
    assert (throttle.alarming(159.9), throttle.alarming(160.0)) == (False, True)
    throttle.accepted()
    assert (throttle.active, throttle.alarming(1e9), throttle.until) == (False, False, 190.0)
    throttle.refused(200.0, 429, None)
    assert throttle.until == 200.5


@pytest.mark.parametrize("retry_after", [0.0, None, 0.01])
def test_throttling_is_no_hot_loop(retry_after):
    """A minute of nothing but 429, whatever it says of when: some requests by the second, one at a time in the end."""

    def answer(_items, _number):
        return Throttled(429, retry_after) if asyncio.get_running_loop().time() < 1_060 else OK

    destination, resolutions, _ = run(answer, feed(50, owners=20), ceiling=16)
    during = [at for at, _ in destination.requests if at < 1_060]
    assert 25 < len(during) < 130
    assert destination.most <= 16
    assert sum(resolutions.done.values()) == 1_000


@pytest.mark.parametrize("seconds", [10, 600])
@pytest.mark.parametrize("status", [429, 503])
def test_the_end_of_throttling_is_seen_within_three_seconds(seconds, status):
    """However long it lasted, delivery goes on at once; a 503 without a time is an outage and has its own bound."""

    def answer(_items, _number):
        return Throttled(status) if asyncio.get_running_loop().time() < 1_000 + seconds else OK

    destination, _, _ = run(answer, feed(50, owners=5))
    first = min(at for at, _ in destination.requests if at >= 1_000 + seconds)
    assert first - 1_000 - seconds <= (3 if status == 429 else 10.1)


@pytest.mark.parametrize("status", [429, 503])
def test_throttled_for_a_minute_is_told_once_and_taken_back(status):
    """Reason with since and next try, gauge, one warning; after the end none of them, and one line that says so."""
    seen = []

    def answer(_items, _number):
        return Throttled(status, 40.0) if asyncio.get_running_loop().time() < 1_200 else OK

    async def work(delivery, destination, resolutions):
        feeding = asyncio.create_task(feed(50, owners=3)(delivery, destination, resolutions))
        for _ in range(300):
            await asyncio.sleep(1)
            delivery.tick()
            now = asyncio.get_running_loop().time()
            seen.append((now - 1_000, delivery.flow_control.throttled(now), delivery._metrics.throttled._value.get()))
        await feeding

    with capture_logs() as logs:
        run(answer, work)
    told = [(at, why) for at, why, gauge in seen if why]
    assert 60 <= told[0][0] <= 62
    assert f"the destination answers {status}" in told[0][1]
    assert told[0][1].startswith("throttled since ")
    assert "next try in " in told[0][1]
    assert 195 <= told[-1][0] <= 245
    assert all(bool(why) == bool(gauge) for _, why, gauge in seen)
    lines = [line["event"] for line in logs]
    assert lines.count("destination_throttles") == 1
    assert lines.count("destination_throttles_no_more") == 1


def test_a_503_with_a_time_opens_the_circuit():
    """It is an outage that says when to come back: circuit open with the reason, and no retry is called throttled."""
    seen = []

    async def work(delivery, _destination, _resolutions):
        delivery.offer(0, events(0, 50))
        await asyncio.sleep(30)
        seen.append((delivery.blocked, delivery.flow_control.trouble))

    _, _, metrics = run(lambda *_: Throttled(503, 2.0), work)
    assert seen == [(True, "the destination is away, circuit open: the destination answered 503")]
    assert metrics.retries.labels("throttled")._value.get() == 0
    assert metrics.retries.labels("transient")._value.get() >= 5


def test_a_probe_that_is_throttled_closes_the_circuit_and_keeps_the_pace():
    """After an outage AEP lets in one request at a time: no storm of requests follows the first 429."""

    def answer(_items, number):
        now = asyncio.get_running_loop().time()
        return Transient("http_500") if now < 1_030 else Throttled(429) if now < 1_060 else OK

    destination, resolutions, _ = run(answer, feed(50, owners=20))
    assert len([at for at, _ in destination.requests if 1_030 <= at < 1_060]) < 80
    assert sum(resolutions.done.values()) == 1_000


def test_the_first_failure_and_the_recovery_are_told():
    """Twelve seconds of 503: a line at once with what was answered, one at the end; single failures once a minute at most."""

    def answer(_items, number):
        now = asyncio.get_running_loop().time()
        return Transient("AEP answered 503") if 1_005 <= now < 1_017 or (now > 1_030 and number % 2) else OK

    async def work(delivery, _destination, _resolutions):
        for second in range(60):
            delivery.offer(second, events(second * 10, 5))
            await asyncio.sleep(1)
        await settle(delivery)

    with capture_logs() as logs:
        run(answer, work)
    lines = [line for line in logs if line["event"].startswith("destination_")]
    assert [line["event"] for line in lines] == ["destination_fails", "destination_recovered"]
    assert lines[0]["why"] == "AEP answered 503"
    assert lines[1]["was"] == "AEP answered 503"
    assert 11 <= lines[1]["after_seconds"] <= 16
