"""What delivery starts and ends: requests within both sides' limits, the dispatcher's waking and stopping, what it counts meanwhile."""

import asyncio

import pytest
from virtual_delivery import OK, Destination, Resolutions, events, run, settle

from bridge.delivery.delivery import Delivery
from bridge.model.delivery_policy import DeliveryPolicy
from bridge.model.verdicts import Transient
from bridge.telemetry.metrics import Metrics
from bridge.testing.virtual_loop import VirtualLoop


def _in_flight(delivery):
    return delivery._metrics.delivery_in_flight._value.get()


def test_requests_keep_the_limits_of_the_policy_and_of_the_destination():
    """Whichever is smaller: the destination refuses what is over its own as a whole."""

    async def work(delivery, _destination, _resolutions):
        delivery.offer(0, events(0, 120))
        await settle(delivery)

    def sizes(**policy):
        destination, resolutions, _ = run(lambda *_: OK, work, **policy)
        assert resolutions.done == {0: 120}
        return [len(items) for _, items in destination.requests]

    assert sizes() == [50, 50, 20]
    assert sizes(batch_events=40) == [40, 40, 40]
    assert sizes(batch_bytes=10 + 30 * 6 - 1) == [30, 30, 30, 30]

    class Narrow(Destination):
        max_request_bytes = 10 + 30 * 6 - 1

    async def main():
        narrow = Narrow(lambda *_: OK)
        delivery = Delivery(narrow, Resolutions(), DeliveryPolicy(), Metrics(), clock=asyncio.get_running_loop().time)
        delivery.start()
        await work(delivery, narrow, None)
        await delivery.stop()
        return [len(items) for _, items in narrow.requests]

    loop = VirtualLoop()
    assert loop.run_until_complete(main()) == [30, 30, 30, 30]
    loop.close()


def test_nothing_is_there_before_the_first_event():
    """A number that is not zero would be told as events that wait, or as a destination that answers."""

    async def work(delivery, _destination, _resolutions):
        assert (delivery.events, delivery.held, delivery.answers, _in_flight(delivery)) == (0, 0, 0, 0)
        assert not delivery.only_postponed
        assert delivery.held_up() == []
        assert delivery.evidence(ahead=False) == 0

    run(lambda *_: OK, work)


def test_what_is_under_way_is_counted_until_its_answer():
    """As events, as requests, and as answers that came."""

    async def work(delivery, _destination, _resolutions):
        delivery.offer(0, events(0, 120))
        await asyncio.sleep(0.01)
        assert (delivery.events, _in_flight(delivery), delivery.answers) == (120, 2, 0)
        await asyncio.sleep(0.1)
        assert (delivery.events, _in_flight(delivery), delivery.answers) == (20, 0, 2)
        await settle(delivery)
        assert (delivery.events, _in_flight(delivery), delivery.answers) == (0, 0, 3)

    run(lambda *_: OK, work)


def test_a_flush_wakes_a_dispatcher_that_waits():
    """A drain has seconds: what lingers leaves at once, also when nothing new comes."""

    async def work(delivery, destination, _resolutions):
        delivery.offer(0, events(0, 10))
        await asyncio.sleep(0.1)
        assert not destination.requests
        delivery.flush()
        await asyncio.sleep(0.01)
        assert len(destination.requests) == 1

    run(lambda *_: OK, work)


def test_a_stop_ends_when_its_requests_have_ended():
    """What still ran behind it would use a destination that is closed."""

    async def work(delivery, destination, _resolutions):
        delivery.offer(0, events(0, 50))
        await asyncio.sleep(0.5)
        await delivery.stop()
        assert destination.under_way == 0
        assert (delivery.events, _in_flight(delivery)) == (0, 0)

    run(lambda *_: OK, work, seconds=60)


def test_a_delivery_brings_its_own_chance():
    """Its back-offs are spread without one that is handed in; with the same one they are the same."""

    def answer(_items, number):
        return OK if number > 3 else Transient("http_503")

    async def work(delivery, _destination, _resolutions):
        delivery.offer(0, events(0, 50))
        await settle(delivery)

    async def main():
        destination, resolutions, failures = Destination(answer), Resolutions(), []
        clock = asyncio.get_running_loop().time
        delivery = Delivery(
            destination, resolutions, DeliveryPolicy(), Metrics(), clock=clock, on_failure=failures.append
        )
        delivery.start()
        await work(delivery, destination, resolutions)
        await delivery.stop()
        assert resolutions.done == {0: 50}
        assert not failures

    loop = VirtualLoop()
    loop.run_until_complete(main())
    loop.close()
    first, second = (run(answer, work)[0].requests for _ in range(2))
    assert [at for at, _ in first] == [at for at, _ in second]


def test_a_verdict_that_cannot_be_taken_ends_the_worker():
    """In a callback nobody would hear of it, and the events would wait for ever."""
    failures = []

    async def work(delivery, _destination, resolutions):
        def refuses(_owner, _places):
            raise ValueError("closed")

        resolutions.accepted = refuses
        delivery._on_failure = failures.append
        delivery.offer(0, events(0, 50))
        await asyncio.sleep(1)
        delivery._on_failure = None
        delivery.offer(0, events(0, 50))
        await asyncio.sleep(1)

    run(lambda *_: OK, work)
    assert [str(error) for error in failures] == ["closed"]


def test_a_dispatcher_that_fails_says_how():
    """The error itself, not one of ours, ends the worker; without anybody to tell nothing more happens."""
    failures = []

    async def work(delivery, _destination, _resolutions):
        def broken():
            raise ValueError("broken")

        delivery._on_failure = failures.append
        delivery._launch = broken
        delivery._wake.set()
        await asyncio.sleep(1)

    run(lambda *_: OK, work)
    assert [repr(error) for error in failures] == ["ValueError('broken')"]


def test_a_stop_is_no_failure_of_the_dispatcher():
    """Else each planned end would be told as a crash."""
    failures = []

    async def work(delivery, _destination, _resolutions):
        delivery._on_failure = failures.append
        await delivery.stop()
        await asyncio.sleep(0.1)

    run(lambda *_: OK, work)
    assert failures == []


def test_probes_take_turns_between_what_failed_and_what_is_new():
    """One bad request cannot pass for an outage, nor one bad event in each of them: every other new one is asked about by itself."""

    async def work(delivery, destination, _resolutions):
        delivery.offer("old", events(0, 50))
        await asyncio.sleep(0.2)
        assert delivery.blocked
        for number in range(1, 7):
            delivery.offer(number, events(number * 1_000, 50))
        await asyncio.sleep(60)
        assert [(int(items[0]), len(items)) for _, items in destination.requests[1:8]] == [
            (1_000, 50),
            (0, 50),
            (2_000, 1),
            (2_001, 49),
            (3_000, 50),
            (1_000, 50),
            (4_000, 1),
        ]

    run(lambda *_: Transient("http_503"), work, circuit_threshold=1)


def _budget(delivery, holds):
    """Events below 1,000 have to wait for so many seconds, others have a budget of their own; gives the list of questions."""
    asked, until = [], asyncio.get_running_loop().time()

    def enter(items, now):
        asked.append(int(items[0]))
        return max(0.0, until + holds.get(int(items[0]), 0.0) - now)

    delivery.flow_control.enter = enter
    return asked


def test_what_has_to_wait_for_a_budget_is_passed_by_what_has_another():
    """Of eight that wait the next is not looked at: a look at each waiting request would cost more than it brings."""
    for waiting, passes in ((7, True), (8, False)):

        async def work(delivery, destination, _resolutions, waiting=waiting, passes=passes):
            asked = _budget(delivery, {number * 50: 5.0 for number in range(waiting)})
            for number in range(waiting):
                delivery.offer(number, events(number * 50, 50))
            delivery.offer("other", events(1_000, 50))
            await asyncio.sleep(0.01)
            assert [int(items[0]) for _, items in destination.requests] == [1_000] * passes
            assert asked == [*(number * 50 for number in range(waiting)), *([1_000] * passes)]
            assert delivery.events == (waiting + 1) * 50
            await settle(delivery)
            assert sum(destination.accepted.values()) == (waiting + 1) * 50

        run(lambda *_: OK, work)


def test_what_waits_for_a_budget_leaves_when_it_may():
    """The one that may first leaves first, to the moment; nobody asks in between."""
    for by_key in (False, True):

        async def work(delivery, destination, _resolutions, by_key=by_key):
            begun = asyncio.get_running_loop().time()
            asked = _budget(delivery, {0: 5.0, 50: 0.5})
            for lane, first in enumerate((0, 50)):
                delivery.offer(first, events(first, 50), range(lane, 100, 2) if by_key else ())
            await asyncio.sleep(0.4)
            assert not destination.requests
            assert len(asked) == 2
            await settle(delivery)
            assert [round(at - begun, 2) for at, _ in destination.requests] == [0.5, 5.0]
            assert len(asked) <= 6

        run(lambda *_: OK, work, by_key=by_key, ceiling=1 if by_key else 16)


def _looks(waits, seconds, wakes=()):
    """When the dispatcher looks for what may start, of a thousand looks at most; ``waits`` is what each look asks for."""
    looks = []

    async def work(delivery, _destination, _resolutions):
        loop = asyncio.get_running_loop()
        begun = loop.time()

        def launch():
            looks.append(round(loop.time() - begun, 3))
            return waits if len(looks) < 1_000 else None

        delivery._launch = launch
        delivery._wake.set()
        for at in wakes:
            loop.call_at(begun + at, delivery._wake.set)
        await asyncio.sleep(seconds)

    run(lambda *_: OK, work)
    return looks


def test_the_dispatcher_looks_again_when_it_may_and_not_before():
    """A time that has come by a hair is waited for a millisecond: it would turn on the spot. An event takes the place of the time."""
    assert _looks(0.0, 0.0105) == [each / 1_000 for each in range(11)]
    assert _looks(0.5, 1.3, wakes=(0.1,)) == [0.0, 0.1, 0.6, 1.1]
    assert _looks(None, 5.0, wakes=(0.1, 3.0)) == [0.0, 0.1, 3.0]


def test_a_probe_of_one_event_leaves_no_empty_request_behind():
    """The destination would be asked to take nothing, and its answer counted."""

    async def work(delivery, destination, resolutions):
        delivery.offer("old", events(0, 1))
        await asyncio.sleep(0.2)
        for number in range(8):
            delivery.offer(number, events(100 + number, 1))
        await asyncio.sleep(60)
        assert all(items for _, items in destination.requests)
        destination.answer = lambda *_: OK
        await settle(delivery)
        assert sum(resolutions.done.values()) == 9

    run(lambda *_: Transient("http_503"), work, circuit_threshold=1, batch_events=1)


def test_a_lane_goes_on_behind_what_nobody_owns_any_more():
    """All of a request is of a partition that was revoked: it is not sent, and the lane is free for the next."""
    for by_key in (False, True):

        async def work(delivery, destination, resolutions, by_key=by_key):
            resolutions.lost.add("theirs")
            for owner, first in (("theirs", 0), ("mine", 50)):
                delivery.offer(owner, events(first, 50), range(0, 100, 2) if by_key else ())
            await settle(delivery, 60)
            assert [int(items[0]) for _, items in destination.requests] == [50]
            assert resolutions.done == {"mine": 50}
            assert delivery.events == 0

        run(lambda *_: OK, work, by_key=by_key, ceiling=1)


def test_an_answers_time_is_that_of_its_request():
    """The pace follows it: a destination that is taken for slow would get one request after the other."""
    noted = []

    async def work(delivery, _destination, _resolutions):
        note = delivery.flow_control.note

        def noting(outcome, now, **more):
            noted.append((round(more["seconds"], 3), more["under_way"]))
            note(outcome, now, **more)

        delivery.flow_control.note = noting
        delivery.offer(0, events(0, 100))
        await settle(delivery)

    run(lambda *_: OK, work, seconds=0.25)
    assert noted == [(0.25, 2), (0.25, 1)]


def test_a_destination_that_raises_has_failed_and_is_asked_again():
    """It broke its word; its events are sent once more, and the worker goes on."""

    def answer(_items, number):
        if number == 0:
            raise ValueError("broke")
        return OK

    async def work(delivery, _destination, _resolutions):
        delivery.offer(0, events(0, 50))
        await settle(delivery)

    destination, resolutions, _ = run(answer, work)
    assert resolutions.done == {0: 50}
    assert len(destination.requests) == 2


@pytest.mark.parametrize("by_key", [False, True])
def test_what_waits_of_owners_that_are_gone_is_let_go(by_key):
    """While the destination is away, each owner before would leave a copy of all that was in flight in the memory."""

    async def work(delivery, _destination, resolutions):
        for number in range(5):
            delivery.offer(number, events(1_000 * number, 500), [1] * 500 if by_key else ())
            await asyncio.sleep(20.0)
            resolutions.lost.add(number - 1)
            delivery.forget_gone()
            assert 500 <= delivery.events <= 500 + 2 * 50

    run(lambda *_: Transient("http_503"), work, by_key=by_key, ceiling=2)


def test_what_waited_behind_owners_that_are_gone_leaves_at_once():
    """Not only when that would have been sent again."""
    sent = []

    async def work(delivery, destination, resolutions):
        clock = asyncio.get_running_loop().time
        delivery.offer("gone", [b"bad"], [1])
        await asyncio.sleep(60.0)
        delivery.offer("ours", [b"good"], [1])
        # A moment after a try: the next one lies seconds ahead.
        before = len(destination.requests)
        while len(destination.requests) == before:  # noqa: ASYNC110 - it is the count that is watched
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        resolutions.lost.add("gone")
        delivery.forget_gone()
        began = clock()
        await settle(delivery)
        sent.append(destination.requests[-1][0] - began)

    destination, _, _ = run(
        lambda items, _: Transient("item_503") if b"bad" in items else OK,
        work,
        by_key=True,
        ceiling=2,
        circuit_threshold=10**6,
    )
    assert destination.accepted == {b"good": 1}
    assert sent[0] < 0.05
