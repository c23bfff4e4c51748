"""Events of a key that wait together are folded into one, and share its verdict."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from virtual_delivery import OK, events, run, settle

from bridge.delivery.batching import RequestLimits, choose, without
from bridge.delivery.ordering import KeyedBatcher
from bridge.model.delivery_policy import Budget
from bridge.model.verdicts import ACCEPTED, Answered, Rejected, Stage, Transient, Unexplained

LIMITS = RequestLimits(max_bytes=200, max_events=5, frame=10, separator=1, linger=1.0)


def _fold(first: bytes, second: bytes) -> bytes | None:
    """Items ``key:number,number``; those with an x are never folded."""
    key, _, numbers = first.partition(b":")
    other, _, more = second.partition(b":")
    return None if key != other or b"x" in numbers + more else key + b":" + numbers + b"," + more


def _drained(batcher):
    """Every request, lane by lane."""
    found = []
    for lane in range(batcher.lanes):
        while (batch := batcher.next_batch(0.0, lane, force=True)) is not None:
            found.append(batch)
    return found


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=60), st.integers(1, 4))
def test_every_event_is_in_one_item_in_the_order_of_its_key(stream, lanes) -> None:
    """Nothing is lost or doubled, each key keeps its order, and a request holds one item of a key at most."""
    batcher = KeyedBatcher(LIMITS, lanes, fold=_fold)
    sent: dict[int, list[str]] = {}
    for number, (key, alone) in enumerate(stream):
        name = f"{number}{'x' if alone else ''}"
        sent.setdefault(key, []).append(name)
        batcher.add(number, [f"{key}:{name}".encode()], [key], 0.0)
    assert batcher.events == sum(batch.events for batch in batcher.batches()) == len(stream)
    came: dict[int, list[str]] = {}
    owners = Counter()
    for batch in _drained(batcher):
        assert len(set(batch.tags)) == len(batch.tags)
        assert len(batch.items) <= LIMITS.max_events
        assert batch.size == LIMITS.frame + sum(map(len, batch.items)) + len(batch.items) - 1 <= LIMITS.max_bytes
        assert batch.events == sum(item.count(b",") + 1 for item in batch.items)
        for item in batch.items:
            key, _, numbers = item.decode().partition(":")
            came.setdefault(int(key), []).extend(numbers.split(","))
        owners.update(batch.every_owner())
    assert came == sent
    assert owners == Counter(range(len(stream)))
    assert batcher.events == 0


def _folded_batch():
    batcher = KeyedBatcher(LIMITS, 1, fold=_fold)
    for owner, item, tag in (("A", b"1:a", 1), ("A", b"2:b", 2), ("B", b"1:c", 1), ("C", b"2:d", 2)):
        batcher.add(owner, [item], [tag], 0.0)
    (batch,) = _drained(batcher)
    return batch


def test_a_part_of_a_request_keeps_its_folded_events() -> None:
    """Halves and rests stand for the same events as before."""
    batch = _folded_batch()
    assert batch.folded == {0: [("B", 0)], 1: [("C", 0)]}
    half = choose(batch, [1], LIMITS)
    assert (half.items, half.folded) == ([b"2:b,d"], {0: [("C", 0)]})


def test_an_item_leaves_while_one_owner_is_there() -> None:
    """Only what nobody waits for any more is left out."""
    batch = _folded_batch()
    left = without(batch, lambda owner: owner in ("A", "B"), LIMITS)
    assert left is not None
    assert left.items == [b"2:b,d"]
    assert without(batch, lambda _: True, LIMITS) is None


def test_what_is_dropped_takes_none_of_the_others_along() -> None:
    """An item in whose request another owner's is dropped still stands for its own folded events, and for nobody else's."""
    batcher = KeyedBatcher(LIMITS, 1, fold=_fold)
    for owner, item, tag in (("A", b"1:a", 1), ("B", b"2:b", 2), ("C", b"2:d", 2), ("A", b"3:e", 3)):
        batcher.add(owner, [item], [tag], 0.0)
    batcher.forget(lambda owner: owner == "A")
    assert batcher.events == 2
    (batch,) = _drained(batcher)
    assert (batch.items, batch.folded) == ([b"2:b,d"], {0: [("C", 0)]})


def test_folded_events_go_along_to_another_place() -> None:
    """Where what is dropped lets an item into an earlier request, its folded events have their verdict with it there."""
    batcher = KeyedBatcher(LIMITS, 1, fold=_fold)
    for owner, item, tag in (("A", b"1:ax", 1), ("B", b"1:b", 1), ("C", b"1:c", 1), ("D", b"2:d", 2)):
        batcher.add(owner, [item], [tag], 0.0)
    batcher.forget(lambda owner: owner == "A")
    (batch,) = _drained(batcher)
    assert (batch.items, batch.folded) == ([b"2:d", b"1:b,c"], {1: [("C", 0)]})


def _offer(delivery):
    for owner, item in enumerate((b"1:a", b"1:b", b"2:c", b"1:d")):
        delivery.offer(owner, [item], [int(item[:1])])


def test_all_are_accepted_together() -> None:
    """One request, four events delivered."""

    async def work(delivery, _destination, _resolutions):
        _offer(delivery)
        await settle(delivery)

    destination, resolutions, metrics = run(lambda *_: OK, work, by_key=True, fold=_fold)
    assert destination.accepted == {b"1:a,b,d": 1, b"2:c": 1}
    assert resolutions.done == {0: 1, 1: 1, 2: 1, 3: 1}
    assert metrics.delivered_events._value.get() == 4
    assert metrics.coalesced_events._value.get() == 2


def test_what_is_sent_again_is_folded_once() -> None:
    """The count says how many events cost no request of their own: a try is no further one, nor is a request without any."""

    def answer(_items, number):
        return Transient("away") if number < 3 else OK

    async def work(delivery, _destination, _resolutions):
        _offer(delivery)
        await settle(delivery)
        delivery.offer(9, [b"9:z"], [9])
        await settle(delivery)

    _, resolutions, metrics = run(answer, work, by_key=True, fold=_fold, ceiling=1)
    assert sum(resolutions.done.values()) == 5
    assert metrics.coalesced_events._value.get() == 2


def test_all_are_refused_together() -> None:
    """A verdict, and a refusal of the whole request that is bisected, are those of every event of the item."""

    def by_verdict(items, _number):
        refused = Rejected(Stage.DELIVER, "odd", "words")
        return Answered([refused if item.startswith(b"1") else ACCEPTED for item in items])

    def by_bisection(items, _number):
        return Unexplained("odd", "words") if any(item.startswith(b"1") for item in items) else OK

    async def work(delivery, _destination, _resolutions):
        _offer(delivery)
        await settle(delivery)

    for answer in (by_verdict, by_bisection):
        _, resolutions, _ = run(answer, work, by_key=True, fold=_fold)
        assert {owner for owner, *_ in resolutions.dead} == {0, 1, 3}
        assert resolutions.done == {2: 1}


def test_what_comes_while_its_key_is_sent_again_is_folded_and_waits() -> None:
    """A failed item stays as it is, and what came behind it goes behind it."""

    def answer(_items, number):
        return Transient("away") if number < 3 else OK

    async def work(delivery, _destination, _resolutions):
        delivery.offer(0, [b"1:a"], [1])
        await asyncio.sleep(0.4)
        for owner, item in ((1, b"1:b"), (2, b"1:c")):
            delivery.offer(owner, [item], [1])
        await settle(delivery)

    destination, resolutions, _ = run(answer, work, by_key=True, fold=_fold, ceiling=1)
    assert [items for _, items in destination.requests][-2:] == [[b"1:a"], [b"1:b,c"]]
    assert resolutions.done == {0: 1, 1: 1, 2: 1}


def test_folded_events_that_are_postponed_count_each() -> None:
    """All events of an item leave their room to the others, and a drain waits for none of them."""

    def answer(items, _number):
        return Answered([Transient("busy") if item.startswith(b"1:") else ACCEPTED for item in items])

    async def work(delivery, _destination, resolutions):
        for owner in range(40):
            delivery.offer(owner, [b"1:%02d" % owner], [1])
        for owner in range(100, 160):
            delivery.offer(owner, [b"%d:a" % owner], [owner])
            await asyncio.sleep(0.5)
        delivery.tick()
        assert sum(resolutions.done.values()) == 60
        assert (delivery.events, delivery.held, delivery.only_postponed) == (40, 40, True)

    run(answer, work, by_key=True, fold=_fold)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=40), st.sets(st.integers(0, 5)))
def test_what_passes_others_takes_its_folded_events_along(stream, waiting) -> None:
    """Whatever passes what waits, what is left is counted as it is."""
    batcher = KeyedBatcher(LIMITS, 1, fold=_fold)
    for number, (key, alone) in enumerate(stream):
        batcher.add(number, [f"{key}:{number}{'x' if alone else ''}".encode()], [key], 0.0)
    taken = 0
    while (batch := batcher.next_batch_past(0.0, 0, waiting, force=True)) is not None:
        taken += batch.events
        assert waiting.isdisjoint(batch.tags)
        assert batcher.events == sum(each.events for each in batcher.batches()) == len(stream) - taken
    assert batcher.events == sum(key in waiting for key, _ in stream)


def _weigh(letter: bytes):
    return lambda item: 1 if item[5:6] == letter else 0


def _mixed(count: int) -> list[bytes]:
    return [item + (b"u" if number % 2 else b"e") for number, item in enumerate(events(0, count))]


def test_a_budget_that_is_used_up_holds_only_its_own() -> None:
    """Events leave at once although users have to wait for theirs; nothing is lost, order by key is kept."""
    budgets = (Budget("users", 60, 60.0, _weigh(b"u")), Budget("events", 60_000, 60.0, _weigh(b"e")))
    times: dict[bytes, float] = {}

    def answer(items, _number):
        times.update(dict.fromkeys(items, asyncio.get_running_loop().time()))
        return OK

    async def work(delivery, _destination, _resolutions):
        users = [item for item in _mixed(400) if item.endswith(b"u")]
        others = [item for item in _mixed(400) if item.endswith(b"e")]
        delivery.offer(0, users, [4 * number for number in range(len(users))])
        delivery.offer(1, others, [4 * number + 1 for number in range(len(others))])
        await settle(delivery)

    _, resolutions, metrics = run(answer, work, by_key=True, ceiling=2, budgets=budgets)
    assert resolutions.done == {0: 200, 1: 200}
    begun = min(times.values())
    late = {item[5:6]: max(at for sent, at in times.items() if sent[5:6] == item[5:6]) - begun for item in times}
    assert late[b"e"] < 5
    assert late[b"u"] > 120
    limited = {one.labels["limit"]: one.value for one in next(iter(metrics.rate_limited_seconds.collect())).samples}
    assert limited["users"] > 60


def test_budgets_hold_without_order_too() -> None:
    """In any minute no more than the budget leaves, whatever fails in between, and all is delivered once it may."""
    budgets = (Budget("users", 120, 60.0, lambda _item: 1),)

    def answer(_items, number):
        return Transient("away") if number in (3, 4) else OK

    async def work(delivery, _destination, _resolutions):
        delivery.offer(0, events(0, 300))
        await settle(delivery)

    destination, resolutions, _ = run(answer, work, budgets=budgets, batch_events=10)
    assert resolutions.done == {0: 300}
    times = [(at, len(items)) for at, items in destination.requests]
    for begun, _ in times:
        assert sum(units for at, units in times if begun <= at < begun + 60) <= 120


def test_resolutions_of_folded_events_know_their_owner() -> None:
    """An owner that is gone is not waited for."""

    async def work(delivery, _destination, resolutions):
        resolutions.lost.add(0)
        _offer(delivery)
        await settle(delivery)

    destination, _, _ = run(lambda *_: OK, work, by_key=True, fold=_fold)
    assert destination.accepted == {b"1:a,b,d": 1, b"2:c": 1}
