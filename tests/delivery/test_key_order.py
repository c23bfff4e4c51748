"""With order by key an event is delivered only when all earlier ones of its key are settled, whatever is answered."""

from collections import defaultdict
from random import Random

from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_delivery import OK, events, run
from virtual_delivery import settle as all_settled

from bridge.delivery.batching import RequestLimits
from bridge.delivery.ordering import KeyedBatcher
from bridge.model.verdicts import (
    ACCEPTED,
    Answered,
    Mismatched,
    Rejected,
    Stage,
    Throttled,
    TooLarge,
    Transient,
    Unexplained,
)

LIMITS = st.builds(
    RequestLimits,
    max_bytes=st.integers(70, 200),
    max_events=st.integers(1, 12),
    frame=st.integers(0, 9),
    separator=st.integers(0, 3),
    linger=st.just(1.0),
)
STEPS = st.lists(st.one_of(st.lists(st.tuples(st.integers(1, 60), st.integers(-2, 9)), max_size=20), st.none()))


def _of_lane(batcher, lane):
    return list(iter(lambda: batcher.next_batch(0.0, lane, force=True), None))


@settings(max_examples=examples(300), deadline=None)
@given(STEPS, LIMITS, st.integers(1, 4))
def test_no_request_holds_two_events_of_a_key(steps, bounds, lanes):
    """Taken while it is filled: every event once, limits kept, a key once a request and in order from request to request."""
    batcher = KeyedBatcher(bounds, lanes)
    offered, taken = [], defaultdict(list)
    for owner, step in enumerate(steps):
        if step is None:
            for lane in range(lanes):
                if (batch := batcher.next_batch(0.0, lane, force=True)) is not None:
                    taken[lane].append(batch)
        else:
            batcher.add(owner, [b"x" * size for size, _ in step], [tag for _, tag in step], 0.0)
            offered += [((owner, place), tag) for place, (_, tag) in enumerate(step)]
    for lane in range(lanes):
        taken[lane] += _of_lane(batcher, lane)
    assert batcher.events == 0
    tag_of = dict(offered)
    for lane, batches in taken.items():
        order = [owner for batch in batches for owner in batch.owners()]
        assert sorted(order) == sorted(owner for owner, tag in offered if tag % lanes == lane)
        for tag in {tag_of[owner] for owner in order}:
            mine = [owner for owner in order if tag_of[owner] == tag]
            assert mine == sorted(mine)
        for batch in batches:
            keys = [tag_of[owner] for owner in batch.owners() if tag_of[owner] >= 0]
            assert len(keys) == len(set(keys))
            size = bounds.frame + sum(map(len, batch.items)) + bounds.separator * (len(batch.items) - 1)
            assert batch.size == size
            assert len(batch.items) <= bounds.max_events
            assert size <= bounds.max_bytes or len(batch.items) == 1


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(-2, 9), st.booleans()), max_size=60), LIMITS, st.integers(1, 4)
)
def test_what_is_nobodys_any_more_is_dropped_from_the_lanes(offered, bounds, lanes):
    """Once the events of a given-away partition are dropped: the others once, in the order of their keys, within the limits."""
    batcher, alone = KeyedBatcher(bounds, lanes), KeyedBatcher(bounds, lanes)
    for number, (size, tag, ours) in enumerate(offered):
        owner = (ours, number)
        batcher.add(owner, [b"x" * size], [tag], 0.0)
        if ours:
            alone.add(owner, [b"x" * size], [tag], 0.0)
    batcher.forget(lambda owner: not owner[0])
    assert batcher.events == alone.events
    for lane in range(lanes):
        left, wanted = _of_lane(batcher, lane), _of_lane(alone, lane)
        kept = [owner for batch in left for owner, _ in batch.owners()]
        assert sorted(kept) == sorted(owner for batch in wanted for owner, _ in batch.owners())
        order = [(tag, owner[1]) for batch in left for (owner, _), tag in zip(batch.owners(), batch.tags, strict=True)]
        assert sorted(order) == sorted(order, key=lambda each: each[0]), "in the order of each key"
        for batch in left:
            keys = [tag for tag in batch.tags if tag >= 0]
            assert len(keys) == len(set(keys))
            assert batch.lane == lane
            size = bounds.frame + sum(map(len, batch.items)) + bounds.separator * (len(batch.items) - 1)
            assert batch.size == size
            assert len(batch.items) <= bounds.max_events
            assert size <= bounds.max_bytes or len(batch.items) == 1


def test_what_is_left_of_a_request_lingers_no_longer():
    """It was opened when it was opened."""
    batcher = KeyedBatcher(RequestLimits(1_000, 50, 0, 0, 0.5), 2)
    batcher.add("gone", [b"x"], [1], 10.0)
    batcher.add("ours", [b"y"], [3], 10.4)
    batcher.forget(lambda owner: owner == "gone")
    assert abs(batcher.due(10.4, 1) - 0.1) < 1e-9
    batcher.forget(lambda owner: owner == "ours")
    assert batcher.due(10.4, 1) is None


def test_what_is_nobodys_any_more_takes_no_request():
    """A partition that came back, with a copy of each of its events in front: they leave as early as if it had never gone."""
    batcher = KeyedBatcher(RequestLimits(1_000_000, 50, 0, 1, 1.0), 1)
    for owner in ("gone", "ours"):
        batcher.add(owner, [b"x"] * 20, [0] * 20, 0.0)
    batcher.add("another", [b"y"] * 20, [1] * 20, 0.0)
    assert len(_of_lane(batcher, 0)) == 40
    for owner in ("gone", "ours"):
        batcher.add(owner, [b"x"] * 20, [0] * 20, 0.0)
    batcher.add("another", [b"y"] * 20, [1] * 20, 0.0)
    batcher.forget(lambda owner: owner == "gone")
    assert [sorted(batch.items) for batch in _of_lane(batcher, 0)] == [[b"x", b"y"]] * 20
    assert batcher.events == 0


@given(st.integers(1, 200), st.integers(1, 40), st.integers(1, 20))
def test_a_key_that_comes_often_costs_others_nothing(others, often, most):
    """Events of other keys fill the requests of the frequent one: there are never more requests than either needs alone."""
    batcher = KeyedBatcher(RequestLimits(1_000_000, most, 0, 1, 1.0), 1)
    batcher.add("often", [b"x"] * often, [0] * often, 0.0)
    batcher.add("others", [b"x"] * others, list(range(1, others + 1)), 0.0)
    assert len(_of_lane(batcher, 0)) <= max(often, -(-(often + others) // most))


def test_a_request_waits_for_its_linger():
    """A lane's front request leaves when it is full or has waited the linger time."""
    batcher = KeyedBatcher(RequestLimits(1_000, 2, 0, 0, 0.5), 2)
    assert batcher.due(0.0, 0) is None
    batcher.add("a", [b"x"], [0], 10.0)
    assert batcher.next_batch(10.4, 0) is None
    assert abs(batcher.due(10.4, 0) - 0.1) < 1e-9
    batcher.add("b", [b"y"], [2], 10.4)
    assert batcher.due(10.4, 0) == 0.0
    assert batcher.next_batch(10.4, 0).items == [b"x", b"y"]


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 6), st.integers(0, 100))
def test_an_event_never_passes_an_earlier_one_of_its_key(seed, keys, ceiling, trouble):
    """Postponed inside a 207, split, throttled, unreadable, refused: what AEP takes of a key is in order, nothing is missing."""
    rng, order = Random(seed), []

    def verdict():
        luck = rng.random() * 100
        if luck > trouble:
            return ACCEPTED
        return (
            Rejected(Stage.DELIVER, "aep_400", "no")
            if luck < trouble / 10
            else Transient("item_503", luck < trouble / 3)
        )

    def answer(items, _number):
        luck = rng.random() * 100
        if luck < trouble / 4:
            outcomes = [
                Transient("http_503"),
                Throttled(429, 1.0),
                Mismatched("odd"),
                Transient("http_500", data_suspect=True),
            ]
            if len(items) > 1:
                outcomes += [Unexplained("aep_400", "bad"), TooLarge()]
            return rng.choice(outcomes)
        if luck < 60:
            verdicts = [verdict() for _ in items]
            order.extend(item for item, said in zip(items, verdicts, strict=True) if said is ACCEPTED)
            return Answered(verdicts)
        order.extend(items)
        return OK

    async def work(delivery, _destination, resolutions):
        for owner in range(8):
            items = events(owner * 100, 50)
            delivery.offer(owner, items, [int(item) % keys for item in items])
        await all_settled(delivery, seconds=100_000)
        assert not delivery.events
        assert sum(resolutions.done.values()) + len(resolutions.dead) == 400

    run(answer, work, by_key=True, ceiling=ceiling)
    assert len(order) == len(set(order))
    for key in range(keys):
        mine = [int(item) for item in order if int(item) % keys == key]
        assert mine == sorted(mine)
