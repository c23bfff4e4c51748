"""Requests are as full as they may be and never fuller, whatever arrives."""

from itertools import pairwise

from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.delivery.batching import Batcher, RequestLimits, choose, halves, without

chunks = st.lists(st.lists(st.integers(1, 60), max_size=30), max_size=10)
limits = st.builds(
    RequestLimits,
    max_bytes=st.integers(70, 200),
    max_events=st.integers(1, 12),
    frame=st.integers(0, 9),
    separator=st.integers(0, 3),
    linger=st.just(1.0),
)


def _body(batch, bounds):
    return bounds.frame + sum(map(len, batch.items)) + bounds.separator * (len(batch.items) - 1)


def _drain(batcher):
    return list(iter(lambda: batcher.next_batch(0.0, force=True), None))


@settings(max_examples=examples(300), deadline=None)
@given(chunks, limits)
def test_batches_hold_every_event_once_in_order_within_the_limits(sizes, bounds):
    """Nothing is lost, doubled or reordered; bytes are counted exactly; no batch is over its limits."""
    batcher = Batcher(bounds)
    for number, lengths in enumerate(sizes):
        batcher.add(number, [bytes([number]) * n for n in lengths], 0.0)
    batches = _drain(batcher)
    owners = [owner for batch in batches for owner in batch.owners()]
    assert owners == [(n, i) for n, lengths in enumerate(sizes) for i in range(len(lengths))]
    for batch in batches:
        assert batch.size == _body(batch, bounds)
        assert len(batch.items) == sum(run.count for run in batch.runs) <= bounds.max_events
        assert batch.size <= bounds.max_bytes
        assert [len(item) for item in batch.items] == [sizes[o][i] for o, i in batch.owners()]
    # As full as possible: the next event would not have fitted.
    for batch, following in pairwise(batches):
        more = len(following.items[0]) + bounds.separator
        assert len(batch.items) == bounds.max_events or batch.size + more > bounds.max_bytes
    assert batcher.events == 0


@given(st.lists(st.integers(1, 9), min_size=2, max_size=40), st.data())
def test_parts_of_a_batch_keep_events_and_owners_together(lengths, data):
    """Halving, choosing and dropping owners move each event with its owner, in order."""
    bounds = RequestLimits(10_000, 1_000, 5, 1, 1.0)
    batcher = Batcher(bounds)
    middle = data.draw(st.integers(0, len(lengths)))
    batcher.add("a", [b"x" * n for n in lengths[:middle]], 0.0)
    batcher.add("b", [b"x" * n for n in lengths[middle:]], 0.0)
    batch = batcher.next_batch(0.0, force=True)
    left, right = halves(batch, bounds)
    assert left.items + right.items == batch.items
    assert left.owners() + right.owners() == batch.owners()
    chosen = sorted(data.draw(st.sets(st.integers(0, len(lengths) - 1), min_size=1)))
    part = choose(batch, chosen, bounds)
    assert part.owners() == [batch.owners()[i] for i in chosen]
    assert part.size == _body(part, bounds)
    kept = without(batch, lambda owner: owner == "a", bounds)
    assert (kept.owners() if kept else []) == [o for o in batch.owners() if o[0] == "b"]


def test_a_partial_batch_waits_for_its_linger():
    """A request that is not full leaves when its oldest event has waited the linger time, not before."""
    batcher = Batcher(RequestLimits(1_000, 100, 0, 0, 0.5))
    assert batcher.due(0.0) is None
    batcher.add("a", [b"x"], 10.0)
    assert batcher.next_batch(10.4) is None
    assert abs(batcher.due(10.4) - 0.1) < 1e-9
    assert batcher.next_batch(10.5).items == [b"x"]
