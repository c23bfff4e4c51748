"""Events that the destination postpones while it takes others, in virtual time: named, never lost, set aside where that is wanted."""

import asyncio

import pytest
from virtual_delivery import OK, events, run, settle

from bridge.model.verdicts import ACCEPTED, Answered, Misconfigured, Transient, Unauthorized

_POISON = b"00003"


def _by_item(items, _number):
    return Answered([Transient("AEP answered 503 for this event: busy") if i == _POISON else ACCEPTED for i in items])


def _alone_unauthorized(items, number):
    """Item status 401: a request whose every event has it is read as one about the credentials."""
    return Unauthorized("AEP answered 401 for every event") if items == [_POISON] else _by_item(items, number)


def _proxy(items, _number):
    return Transient("AEP answered 502") if _POISON in items else OK


def _wall(items, _number):
    return Unauthorized("AEP answered 403: forbidden content") if _POISON in items else OK


def _lost_path(items, _number):
    return Misconfigured("AEP answered 404") if _POISON in items else OK


async def _traffic(delivery, seconds):
    for second in range(seconds * 2):
        delivery.offer(second, events(second * 10, 7))
        await asyncio.sleep(0.5)


_ANSWERS = pytest.mark.parametrize("answer", [_by_item, _alone_unauthorized, _proxy, _wall, _lost_path])


@_ANSWERS
def test_it_is_named_within_half_a_minute_while_others_flow(answer):
    """One event of owner 0 fails for ever in any form: its shipment is named, alone, and everything else is delivered."""
    seen = []

    async def work(delivery, _destination, resolutions):
        traffic = asyncio.create_task(_traffic(delivery, 120))
        await asyncio.sleep(30)
        [shipment] = delivery.held_up()
        seen.append((shipment.batch.items, shipment.batch.runs[0].owner, shipment.batch.runs[0].start))
        assert shipment.tries >= 3
        assert shipment.reason.startswith("AEP answered ")
        assert not delivery.blocked
        assert delivery.only_postponed is (delivery.events == 1)
        await traffic
        await asyncio.sleep(5)
        assert delivery.only_postponed
        assert sum(resolutions.done.values()) == 240 * 7 - 1
        assert not resolutions.dead
        assert len(delivery.held_up()) == 1

    run(answer, work)
    assert seen == [([_POISON], 0, 3)]


@_ANSWERS
def test_it_becomes_a_dead_letter_after_the_tries_of_the_setting(answer):
    """With a bound the event is set aside after so many tries beside successes, it alone, and nothing is held up any more."""

    async def work(delivery, _destination, _resolutions):
        await _traffic(delivery, 120)
        await settle(delivery, 60)
        assert not delivery.events

    _, resolutions, _ = run(answer, work, postponed_tries=8)
    [(owner, place, code, tries)] = resolutions.dead
    assert (owner, place, code) == (0, 3, "postponed_repeatedly")
    assert 8 <= tries <= 30
    assert sum(resolutions.done.values()) == 240 * 7 - 1


def test_with_order_by_key_its_lane_waits_and_it_is_named():
    """Events of its own lane stay behind it, the other lanes flow; set aside, its lane goes on."""

    async def work(delivery, _destination, resolutions):
        for second in range(240):
            items = events(second * 10, 7)
            delivery.offer(second, items, [int(item) % 10 for item in items])
            await asyncio.sleep(0.5)
        await settle(delivery, 120)
        assert not delivery.events
        assert sum(resolutions.done.values()) == 240 * 7 - 1

    async def held(delivery, _destination, resolutions):
        for second in range(240):
            items = events(second * 10, 7)
            delivery.offer(second, items, [int(item) % 10 for item in items])
            await asyncio.sleep(0.5)
        [shipment] = delivery.held_up()
        assert shipment.batch.items == [_POISON]
        assert sum(resolutions.done.values()) >= 238 * 6
        assert not delivery.only_postponed, "its lane waits behind it"

    _, resolutions, _ = run(_by_item, work, by_key=True, ceiling=8, postponed_tries=8)
    assert [code for _, _, code, _ in resolutions.dead] == ["postponed_repeatedly"]
    run(_by_item, held, by_key=True, ceiling=8)


@pytest.mark.parametrize("tries", [0, 2, 8])
def test_an_outage_sets_nothing_aside(tries):
    """Everything is postponed for an hour: no dead letter, nothing named, all delivered after."""

    def answer(items, _number):
        now = asyncio.get_running_loop().time()
        return Answered([Transient("AEP answered 503 for this event")] * len(items)) if 1_010 < now < 4_600 else OK

    async def work(delivery, _destination, _resolutions):
        traffic = asyncio.create_task(_traffic(delivery, 30))
        await asyncio.sleep(600)
        assert not delivery.held_up()
        await traffic
        await settle(delivery, 7_200)

    _, resolutions, _ = run(answer, work, postponed_tries=tries)
    assert not resolutions.dead
    assert sum(resolutions.done.values()) == 60 * 7


def test_what_was_held_up_of_owners_that_are_gone_makes_no_room():
    """The next assignment would read that much beyond its bound, until somebody counts again."""

    async def work(delivery, _destination, resolutions):
        await _traffic(delivery, 30)
        delivery.tick()
        assert delivery.held == 1
        resolutions.lost.add(0)
        delivery.forget_gone()
        assert delivery.held == 0

    run(_by_item, work)


def test_many_postponed_events_of_a_request_are_not_cut_into_single_ones():
    """The answer tells them apart already: they are asked about together, a request every few seconds."""

    def answer(items, _number):
        return Answered([Transient("AEP answered 429 for this event") if int(i) < 40 else ACCEPTED for i in items])

    async def work(delivery, destination, _resolutions):
        delivery.offer("held", events(0, 45))
        traffic = asyncio.create_task(_other_traffic(delivery))
        await asyncio.sleep(100)
        [shipment] = delivery.held_up()
        assert len(shipment.batch.items) == 40
        await traffic
        again = [items for _, items in destination.requests if items[0] == b"00000"]
        assert 20 < len(again) < 120

    async def _other_traffic(delivery):
        for second in range(100):
            delivery.offer(second, events(1_000 + second * 10, 5))
            await asyncio.sleep(1)

    run(answer, work)


def test_what_is_known_to_be_postponed_neither_opens_the_circuit_nor_lowers_the_pace():
    """An event that fails for an hour beside little traffic: the destination is not called away, and concurrency recovers."""
    seen = []

    async def work(delivery, _destination, _resolutions):
        traffic = asyncio.create_task(_traffic(delivery, 600))
        await asyncio.sleep(60)
        for _ in range(500):
            await asyncio.sleep(1)
            seen.append((delivery.blocked, delivery.flow_control._limit.limit))
        await traffic

    run(_by_item, work)
    assert not any(blocked for blocked, _ in seen)
    assert min(limit for _, limit in seen) >= 1


def test_suspect_and_merely_postponed_events_of_one_answer_go_apart():
    """A 500 beside a 503 in one request is still found guilty by itself; the other one waits."""

    def answer(items, _number):
        verdicts = {b"00001": Transient("item 500", data_suspect=True), b"00002": Transient("item 503")}
        return Answered([verdicts.get(item, ACCEPTED) for item in items])

    async def work(delivery, _destination, _resolutions):
        await _traffic(delivery, 200)

    _, resolutions, _ = run(answer, work)
    assert [(owner, place, code) for owner, place, code, _ in resolutions.dead] == [(0, 1, "refused_repeatedly")]


@pytest.mark.parametrize("circuit_open", [False, True])
def test_a_send_that_somebody_cancels_is_a_failure_like_any_other(circuit_open):
    """A stray cancellation inside the destination: sent again, also when it was the probe of the open circuit."""

    def answer(_items, number):
        if circuit_open and number < 8:
            return Transient("http_503")
        if number in (0, 8, 9):
            raise asyncio.CancelledError
        return OK

    async def work(delivery, _destination, _resolutions):
        delivery.offer(0, events(0, 10))
        await settle(delivery, 600)
        assert not delivery.events
        assert not delivery.blocked
        assert not delivery.only_postponed

    _, resolutions, _ = run(answer, work)
    assert resolutions.done == {0: 10}


def test_a_send_that_is_cancelled_before_it_begins_is_sent_again():
    """The task is ended before its first step; its events are neither lost nor counted twice."""

    async def work(delivery, destination, _resolutions):
        delivery.offer(0, events(0, 50))
        delivery._launch()
        for task in delivery._under_way:
            task.cancel()
        await settle(delivery, 600)
        assert delivery.events == 0
        assert sum(destination.accepted.values()) == 50

    run(lambda *_: OK, work)


def test_a_dispatcher_that_somebody_cancels_ends_the_worker():
    """Without it nothing would ever leave again, and nobody would notice."""
    failures = []

    async def work(delivery, _destination, _resolutions):
        delivery._on_failure = failures.append
        delivery._dispatcher.cancel()
        await asyncio.sleep(1)

    run(lambda *_: OK, work)
    assert [str(error) for error in failures] == ["delivery was cancelled from outside"]


def test_a_stop_abandons_what_is_under_way_without_a_verdict():
    """Told to stop, a cancelled request is no failure: nothing is resolved, sent again or reported."""

    async def work(delivery, destination, resolutions):
        delivery.offer(0, events(0, 50))
        await asyncio.sleep(0.5)
        assert destination.under_way == 1
        await delivery.stop()
        assert not resolutions.done
        assert len(destination.requests) == 1
        assert delivery.answers == 0

    run(lambda *_: OK, work, seconds=60)


def test_owners_are_known_wherever_their_events_are():
    """Lingering, under way, or waiting to be sent again, in either order."""
    for by_key in (False, True):

        async def work(delivery, _destination, _resolutions, by_key=by_key):
            tags = list(range(5)) if by_key else ()
            delivery.offer("lingers", events(0, 5), tags)
            assert delivery.owners() == {"lingers"}
            await asyncio.sleep(0.25)
            assert delivery.owners() == {"lingers"}, "under way"
            await asyncio.sleep(0.2)
            assert delivery.owners() == {"lingers"}, "to be sent again"
            await settle(delivery)
            assert delivery.owners() == set()

        run(lambda _items, number: Transient("http_503") if number == 0 else OK, work, by_key=by_key, seconds=0.1)
