"""Delivery against a destination double in virtual time: every outcome, by its type."""

import asyncio
from random import Random

import pytest
from virtual_delivery import OK, events, feed, run, settle

from bridge.model.verdicts import (
    ACCEPTED,
    Answered,
    Misconfigured,
    Mismatched,
    Rejected,
    Stage,
    Throttled,
    TooLarge,
    Transient,
    Unauthorized,
    Unexplained,
)


def test_all_accepted_counts_every_event_once():
    """Each owner is told of all its events; requests are full."""
    destination, resolutions, _ = run(lambda *_: OK, feed(120, owners=3))
    assert resolutions.done == {0: 120, 1: 120, 2: 120}
    assert [len(items) for _, items in destination.requests][:7] == [50] * 7
    assert set(destination.accepted.values()) == {1}


def test_verdicts_reach_the_event_they_are_about():
    """207 by item: accepted, dead letter with its code and place, and a retry of only those that asked for it."""

    def answer(items, _number):
        verdicts = []
        for item in items:
            n = int(item)
            if n % 10 == 3:
                verdicts.append(Rejected(Stage.DELIVER, "aep_400", "no"))
            elif n % 10 == 7 and len(items) > 5:
                verdicts.append(Transient("item_503"))
            else:
                verdicts.append(ACCEPTED)
        return Answered(verdicts)

    destination, resolutions, _ = run(answer, feed(50))
    assert resolutions.done == {0: 45}
    assert sorted(place for _, place, _, _ in resolutions.dead) == [3, 13, 23, 33, 43]
    assert {code for _, _, code, _ in resolutions.dead} == {"aep_400"}
    assert destination.requests[1][1] == [b"%05d" % n for n in (7, 17, 27, 37, 47)]


def test_an_outage_is_waited_out_and_makes_no_dead_letter():
    """Ten minutes of 500 that might be the data's fault: nothing dead-lettered, few probes, all delivered after."""

    def answer(_items, _number):
        now = asyncio.get_running_loop().time()
        return Transient("http_500", data_suspect=True) if now < 1_600 else OK

    destination, resolutions, _ = run(answer, feed(200, owners=2))
    assert not resolutions.dead
    assert resolutions.done == {0: 200, 1: 200}
    during = [at for at, _ in destination.requests if at < 1_600]
    assert len(during) < 150
    assert set(destination.accepted.values()) == {1}


@pytest.mark.parametrize("seconds", [3, 60, 3_000])
def test_the_end_of_an_outage_is_seen_soon(seconds):
    """However long it lasted: within ten seconds of its end a probe finds out, and then everything follows at once."""

    def answer(_items, _number):
        now = asyncio.get_running_loop().time()
        return Transient("http_503") if now < 1_000 + seconds else OK

    destination, resolutions, _ = run(answer, feed(200, owners=4))
    assert resolutions.done == dict.fromkeys(range(4), 200)
    assert max(at for at, _ in destination.requests) < 1_000 + seconds + 12


def test_a_poison_event_is_isolated_while_others_flow():
    """One event whose requests always answer 500: bisected, dead-lettered alone; all neighbours delivered."""

    def answer(items, _number):
        return Transient("http_500", data_suspect=True) if b"00033" in items else OK

    async def work(delivery, _destination, _resolutions):
        delivery.offer(0, events(0, 50))
        for owner in range(1, 400):
            delivery.offer(owner, events(owner * 100, 20))
            await asyncio.sleep(0.5)
        await settle(delivery)

    _, resolutions, _ = run(answer, work)
    assert resolutions.dead == [(0, 33, "refused_repeatedly", resolutions.dead[0][3])]
    assert resolutions.done[0] == 49
    assert sum(resolutions.done.values()) == 49 + 399 * 20


def test_a_timeout_is_never_the_datas_fault():
    """Failures that cannot be the data's are retried without an end, alone in the end, however others fare."""

    def answer(items, _number):
        return Transient("timeout") if b"00000" in items else OK

    async def work(delivery, _destination, resolutions):
        delivery.offer(0, events(0, 1))
        for owner in range(1, 300):
            delivery.offer(owner, events(owner * 100, 5))
            await asyncio.sleep(2)
        assert not resolutions.dead
        assert delivery.events == 1

    run(answer, work)


@pytest.mark.parametrize("pause", [30.0, None])
def test_throttling_pauses_every_lane(pause):
    """429: no request of any lane before Retry-After is over; then all is delivered."""

    def answer(_items, number):
        return Throttled(429, pause) if number == 3 else OK

    destination, resolutions, _ = run(answer, feed(50, owners=12))
    assert sum(resolutions.done.values()) == 600
    refused = destination.requests[3][0] + destination.seconds
    later = [at for at, _ in destination.requests if at > refused]
    assert min(later) >= refused + (pause or 0.02)


@pytest.mark.parametrize("refusal", [Unauthorized("http_401"), Misconfigured("no such inlet")])
def test_refused_credentials_hold_and_recover_by_themselves(refusal):
    """Hold: one probe at a time, nothing dropped or dead-lettered, unready while it lasts, and it goes on alone."""

    def answer(_items, _number):
        return refusal if asyncio.get_running_loop().time() < 1_900 else OK

    async def work(delivery, destination, resolutions):
        for owner in range(20):
            delivery.offer(owner, events(owner * 100, 50))
        await asyncio.sleep(300)
        assert delivery.flow_control.credentials.open
        assert delivery.blocked
        assert delivery.flow_control.refusal
        before = len(destination.requests)
        await asyncio.sleep(200)
        assert len(destination.requests) - before < 60
        await settle(delivery)
        assert not delivery.blocked
        assert not delivery.flow_control.refusal

    _, resolutions, _ = run(answer, work)
    assert not resolutions.dead
    assert sum(resolutions.done.values()) == 1_000


def test_too_large_is_split_and_a_single_event_over_the_limit_is_a_dead_letter():
    """413: halves until they pass; what is alone over it becomes a dead letter."""

    def answer(items, _number):
        return TooLarge() if b"00011" in items or len(items) > 12 else OK

    destination, resolutions, _ = run(answer, feed(40))
    assert resolutions.dead == [(0, 11, "too_large", 1)]
    assert resolutions.done == {0: 39}
    assert set(destination.accepted.values()) == {1}


def test_an_unexplained_refusal_is_bisected_to_the_guilty():
    """400 without a name: every innocent event is delivered once, both guilty ones are dead letters."""

    def answer(items, _number):
        return Unexplained("aep_400", "bad") if {b"00005", b"00041"} & set(items) else OK

    destination, resolutions, _ = run(answer, feed(50))
    assert sorted(place for _, place, _, _ in resolutions.dead) == [5, 41]
    assert resolutions.done == {0: 48}
    assert set(destination.accepted.values()) == {1}


def test_an_answer_that_does_not_fit_is_never_guessed_at():
    """Wrong number of items or a mismatch: sent again, then bisected; no verdict is taken from it."""

    def answer(items, number):
        if number == 0:
            return Answered([ACCEPTED] * (len(items) - 1))
        return Mismatched("odd") if len(items) > 25 else OK

    _, resolutions, _ = run(answer, feed(50))
    assert resolutions.done == {0: 50}
    assert not resolutions.dead


def test_the_only_event_that_fails_is_held_not_condemned():
    """With nothing else to compare with, a failing event waits: an outage looks the same."""

    async def work(delivery, _destination, resolutions):
        delivery.offer(0, events(0, 1))
        await asyncio.sleep(3_600)
        assert delivery.flow_control.circuit.open
        assert not resolutions.dead
        assert delivery.events == 1

    run(lambda *_: Transient("http_500", data_suspect=True), work)


@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_lost_in_any_mixture(seed):
    """Random outcomes of every kind: every event ends accepted or dead-lettered, exactly once."""
    rng = Random(seed)

    def answer(items, _number):
        poison = {item for item in items if int(item) % 97 == 5}
        luck = rng.random()
        if luck < 0.1:
            return Transient("http_503")
        if luck < 0.15:
            return Throttled(429, rng.choice([None, 1.0]))
        if luck < 0.18:
            return Unauthorized("http_401")
        if luck < 0.2:
            return Mismatched("odd")
        if len(items) > 30 and luck < 0.4:
            return TooLarge()
        if poison and luck < 0.6:
            return Unexplained("aep_400", "bad")
        return Answered([Rejected(Stage.DELIVER, "aep_400", "bad") if item in poison else ACCEPTED for item in items])

    async def work(delivery, _destination, _resolutions):
        for owner in range(30):
            delivery.offer(owner, events(owner * 100, 60))
            await asyncio.sleep(rng.random())
        await settle(delivery, 10_000)
        assert not delivery.events

    destination, resolutions, _ = run(answer, work)
    assert set(destination.accepted.values()) == {1}
    dead = {owner * 100 + place for owner, place, _, _ in resolutions.dead}
    assert len(dead) == len(resolutions.dead)
    assert dead | {int(item) for item in destination.accepted} == {o * 100 + i for o in range(30) for i in range(60)}
    assert sum(resolutions.done.values()) + len(dead) == 1_800
