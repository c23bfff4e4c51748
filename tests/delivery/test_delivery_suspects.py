"""Events that the destination can never digest, several at once, in virtual time: each a dead letter, and nothing stands still."""

import asyncio
from types import SimpleNamespace

import pytest
from virtual_delivery import OK, events, run

from bridge.kafka.consumer.gate import Gate
from bridge.kafka.consumer.ledger import Ledger
from bridge.model.verdicts import Transient
from bridge.telemetry.metrics import Metrics

_P0, _P1 = ("t", 0), ("t", 1)


def _cannot_digest(count):
    poison = set(events(0, count))

    def answer(items, _number):
        return Transient("AEP answered 500", data_suspect=True) if poison & set(items) else OK

    return answer


def _deliver(count, *, every, seconds, by_key, **policy):
    """So many such events come first, then a good one every so many seconds."""
    seen = {}

    async def work(delivery, _destination, resolutions):
        def offer(owner, start, many):
            delivery.offer(owner, events(start, many), range(start, start + many) if by_key else ())

        offer("poison", 0, count)
        for number in range(int(seconds / every)):
            await asyncio.sleep(every)
            offer(number, 1_000 + number, 1)
            if len(resolutions.dead) == count:
                seen.setdefault("letters", asyncio.get_running_loop().time() - 1_000)
        await asyncio.sleep(5)
        assert not delivery.events
        assert not delivery.blocked
        assert resolutions.done.total() == int(seconds / every)

    _, resolutions, _ = run(_cannot_digest(count), work, by_key=by_key, ceiling=2, **policy)
    assert sorted(place for _, place, _, _ in resolutions.dead) == list(range(count))
    assert {code for _, _, code, _ in resolutions.dead} == {"refused_repeatedly"}
    return seen["letters"]


@pytest.mark.parametrize("by_key", [False, True])
@pytest.mark.parametrize(("count", "every", "within"), [(4, 30, 400), (8, 5, 150), (20, 0.2, 120), (20, 5, 300)])
def test_many_at_once_do_not_excuse_one_another(count, every, within, by_key):
    """Their failures are more than what succeeds meanwhile, and that says nothing: each is a dead letter after a while."""
    assert _deliver(count, every=every, seconds=2 * within, by_key=by_key) < within


def test_as_many_as_there_are_lanes_do_not_stop_the_other_keys():
    """Each lane has one: other keys pass it, each of them delivered within a second while they wait."""
    late = []

    async def work(delivery, destination, _resolutions):
        delivery.offer("poison", events(0, 4), range(4))
        for number in range(1_000, 1_040):
            delivery.offer(number, events(number, 1), [number])
            await asyncio.sleep(1.0)
            late.append(b"%05d" % number not in destination.accepted)

    run(_cannot_digest(4), work, by_key=True, ceiling=2)
    assert sum(late) <= 8


def test_an_outage_that_half_of_all_requests_pass_makes_no_dead_letter():
    """Six of ten requests fail whatever is in them: nothing is called guilty, everything is delivered in the end."""
    from random import Random

    from virtual_delivery import settle

    for seed in range(5):
        random = Random(seed)

        def flaky(_items, _number, random=random):
            return Transient("AEP answered 500", data_suspect=True) if random.random() < 0.6 else OK

        async def work(delivery, _destination, _resolutions):
            for second in range(600):
                delivery.offer(second, events(second * 10, 10))
                await asyncio.sleep(0.5)
            await settle(delivery)
            assert not delivery.events

        _, resolutions, _ = run(flaky, work, ceiling=4)
        assert not resolutions.dead, seed


async def _consume(delivery, resolutions, most, seconds):
    """One partition with much to read, whose first event cannot be digested, and an idle one; how far it was read."""
    ledger = Ledger()
    ledger.open(1, {_P0: None, _P1: None})
    gate = Gate(
        ledger,
        max_events=most,
        max_bytes=10_000_000,
        blocked=lambda: delivery.blocked,
        evidence=lambda ahead: delivery.evidence(ahead=ahead),
        metrics=Metrics(),
    )
    resolutions.accepted = lambda chunk, places: ledger.resolve(chunk, len(places))
    resolutions.rejected = lambda owner, place, rejected, _attempts: (
        resolutions.dead.append((owner.first + place, rejected.code)),
        ledger.resolve(owner, 1),
    )
    at, seen = 0, []
    for _ in range(int(seconds / 0.1)):
        await asyncio.sleep(0.1)
        if _P0 in gate.admitted([_P0, _P1]):
            count = min(50, gate.room)
            chunk = ledger.register_chunk(
                _P0, 1, [SimpleNamespace(timestamp=0)] * count, 1, first=at, last=at + count - 1
            )
            ledger.admit(chunk, count)
            delivery.offer(chunk, events(at, count), range(at, at + count) if delivery.by_key else ())
            at += count
        seen.append(ledger.span(_P0))
    return at, seen, delivery.blocked


@pytest.mark.parametrize("by_key", [False, True])
def test_its_partition_goes_on_as_far_as_evidence_needs(by_key):
    """The only partition with records is read too far ahead of it: a little more comes, it is a dead letter, all flows again."""
    found = []

    async def work(delivery, _destination, resolutions):
        found.append(await _consume(delivery, resolutions, 100, 200))
        found.append(resolutions.dead)

    run(_cannot_digest(1), work, by_key=by_key, ceiling=2)
    (at, seen, blocked), dead = found
    assert dead == [(0, "refused_repeatedly")]
    assert at > 5_000
    assert max(seen) <= 200 + 100 + 14 * 50
    assert not blocked


def test_an_outage_brings_no_more_than_probes_need():
    """Nothing is taken: what is fetched meanwhile stays within a tenth of the bound."""
    found = []

    async def work(delivery, _destination, resolutions):
        found.append(await _consume(delivery, resolutions, 1_000, 600))

    run(lambda _items, _number: Transient("AEP answered 500", data_suspect=True), work, ceiling=2)
    [(at, _, blocked)] = found
    assert blocked
    assert at <= 100 + 1_000


def test_what_is_named_as_postponed_needs_no_more_evidence():
    """An event that is postponed for ever holds its partition at the bound: what a crash would repeat does not grow."""
    found = []

    def postpones(items, _number):
        return Transient("AEP answered 502") if b"00000" in items else OK

    async def work(delivery, _destination, resolutions):
        found.append(await _consume(delivery, resolutions, 100, 300))
        assert delivery.held_up()
        assert not resolutions.dead

    run(postpones, work, ceiling=2)
    [(_, seen, _)] = found
    assert max(seen) < 200 + 100 + 16 * 50
    assert seen[-1] == seen[1_000]


def test_later_events_of_its_key_are_no_evidence_to_come():
    """What waits behind it can show nothing: more is wanted until an event of another key is there."""

    async def work(delivery, _destination, _resolutions):
        delivery.offer("poison", events(0, 4), range(4))
        delivery.offer("behind", events(10, 4), range(4))
        await asyncio.sleep(30)
        assert delivery.evidence(ahead=False)
        delivery.offer("free", events(20, 1), [20])
        assert not delivery.evidence(ahead=False)
        await asyncio.sleep(30)
        assert delivery.evidence(ahead=False)

    run(_cannot_digest(4), work, by_key=True, ceiling=2)
