"""As many events as may be in flight that the destination never takes: they end, or are named, and their neighbours go on."""

import asyncio
from types import SimpleNamespace

import pytest
from virtual_delivery import OK, run

from bridge.kafka.consumer.gate import Gate
from bridge.kafka.consumer.ledger import Ledger
from bridge.model.verdicts import ACCEPTED, Answered, Transient
from bridge.telemetry.metrics import Metrics

_P0, _P1 = ("t", 0), ("t", 1)
_PER_FETCH = 50
_SUSPECT = Transient("AEP answered 500", data_suspect=True)


class _Consumption:
    """Two partitions with much to read, behind the gate and the ledger of the worker.

    ``bad(partition, offset)`` says which records the destination does not take; ``answer(bad)`` how it answers a request with
    such ones. Every event has a key of its own.
    """

    def __init__(self, delivery, resolutions, most):
        self.delivery, self.dead = delivery, []
        self.ledger = Ledger()
        self.ledger.open(1, {_P0: None, _P1: None})
        self.gate = Gate(
            self.ledger,
            max_events=most,
            max_bytes=10_000_000,
            blocked=lambda: delivery.blocked,
            evidence=lambda ahead: delivery.evidence(ahead=ahead),
            held=lambda: delivery.held,
            metrics=Metrics(),
        )
        self.taken = {_P0: 0, _P1: 0}
        self.at = {_P0: 0, _P1: 0}
        resolutions.accepted = self._accepted
        resolutions.rejected = self._rejected

    def _accepted(self, chunk, places):
        self.taken[chunk.partition] += len(places)
        self.ledger.resolve(chunk, len(places))

    def _rejected(self, chunk, place, rejected, _attempts):
        self.dead.append((chunk.partition, chunk.first + place, rejected.code))
        self.ledger.resolve(chunk, 1)

    def read(self, partitions):
        """One round of fetching."""
        for partition in sorted(self.gate.admitted(partitions)):
            at = self.at[partition]
            count = min(_PER_FETCH, self.gate.room)
            records = [SimpleNamespace(timestamp=0)] * count
            chunk = self.ledger.register_chunk(partition, 1, records, 100 * count, first=at, last=at + count - 1)
            self.ledger.admit(chunk, count)
            names = [b"%d-%05d" % (partition[1], offset) for offset in range(at, at + count)]
            tags = [offset * 2 + partition[1] for offset in range(at, at + count)]
            self.delivery.offer(chunk, names, tags if self.delivery.by_key else ())
            self.at[partition] += count

    async def go_on(self, seconds, partitions=(_P0, _P1)):
        """Read for so long."""
        for _ in range(int(seconds / 0.1)):
            await asyncio.sleep(0.1)
            self.delivery.tick()
            self.read(partitions)


def _refuses(is_bad, outcome=_SUSPECT):
    def answer(items, _number):
        return outcome if any(is_bad(item) for item in items) else OK

    return answer


def _deliver(answer, most, seconds, partitions=(_P0, _P1), **policy):
    found = []

    async def work(delivery, _destination, resolutions):
        consumption = _Consumption(delivery, resolutions, most)
        await consumption.go_on(seconds, partitions)
        found.append(consumption)

    run(answer, work, **policy)
    return found[0]


@pytest.mark.parametrize("by_key", [False, True])
@pytest.mark.parametrize("count", [100, 250])
def test_as_many_suspects_as_the_bound_end_as_dead_letters(count, by_key):
    """They fill all that may be in flight; more is read until something is taken, and each has its verdict."""
    bad = {b"0-%05d" % offset for offset in range(count)}
    consumption = _deliver(_refuses(bad.__contains__), 100, 150, by_key=by_key, ceiling=4)
    assert sorted(offset for _, offset, _ in consumption.dead) == list(range(count))
    assert {code for _, _, code in consumption.dead} == {"refused_repeatedly"}
    assert consumption.taken[_P1] > 2_000
    assert consumption.taken[_P0] > 500


def test_their_neighbours_go_on_within_a_minute():
    """The other partition's events show that the destination is there."""
    bad = {b"0-%05d" % offset for offset in range(150)}
    consumption = _deliver(_refuses(bad.__contains__), 100, 60, ceiling=4)
    assert consumption.taken[_P1] > 100


@pytest.mark.parametrize("by_key", [False, True])
@pytest.mark.parametrize("most", [100, 1_000])
def test_one_event_in_ten_that_is_always_refused_gets_its_verdict(most, by_key):
    """Every full request holds some: requests are cut until what can be taken is, and the rest are dead letters."""
    consumption = _deliver(_refuses(lambda item: item.endswith(b"7")), most, 200, by_key=by_key, ceiling=8)
    taken = sum(consumption.taken.values())
    assert taken > 1_500
    assert len(consumption.dead) > taken / 9 / 2
    assert all(offset % 10 == 7 for _, offset, _ in consumption.dead)


def _postpones(items, _number):
    verdicts = tuple(Transient("AEP answered 503") if item < b"0-00150" else ACCEPTED for item in items)
    return OK if set(verdicts) == {ACCEPTED} else Answered(verdicts)


@pytest.mark.parametrize(
    "answer", [_postpones, _refuses(lambda item: item < b"0-00150", Transient("AEP answered 502"))]
)
def test_as_many_postponed_ones_as_the_bound_let_their_neighbours_go_on(answer):
    """Held for ever, as it is set: named, and the other partition flows."""
    found = []

    async def work(delivery, _destination, resolutions):
        consumption = _Consumption(delivery, resolutions, 100)
        await consumption.go_on(60)
        before = consumption.taken[_P1]
        await consumption.go_on(60)
        found.append((consumption.taken[_P1] - before, sum(len(s.batch.items) for s in delivery.held_up())))
        assert not consumption.dead

    run(answer, work, ceiling=4)
    [(flowed, held)] = found
    assert flowed > 500
    assert held == 150


@pytest.mark.parametrize("by_key", [False, True])
@pytest.mark.parametrize(
    "answer", [_postpones, _refuses(lambda item: item < b"0-00150", Transient("AEP answered 502"))]
)
def test_as_many_postponed_ones_as_the_bound_are_set_aside(answer, by_key):
    """After the tries of the setting each is a dead letter, and its own partition goes on too."""
    consumption = _deliver(answer, 100, 200, by_key=by_key, ceiling=4, postponed_tries=12)
    assert sorted(offset for _, offset, _ in consumption.dead) == list(range(150))
    assert {code for _, _, code in consumption.dead} == {"postponed_repeatedly"}
    assert consumption.taken[_P0] > 1_000


def test_an_outage_makes_no_dead_letter_however_long_it_is():
    """Half an hour of server errors, then all is taken: what was read meanwhile stays within the bound and a little more."""
    found = []
    away = [True]

    async def work(delivery, _destination, resolutions):
        consumption = _Consumption(delivery, resolutions, 1_000)
        await consumption.go_on(1_800)
        found.append(consumption.ledger.events)
        away[0] = False
        await consumption.go_on(120)
        assert not consumption.dead
        found.append(sum(consumption.taken.values()))

    run(lambda _items, _number: _SUSPECT if away[0] else OK, work, ceiling=4, postponed_tries=5)
    assert found[0] <= 2_000
    assert found[1] > found[0]
