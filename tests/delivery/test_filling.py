"""How requests fill, by example: the last byte and the last event that fit, whose events they are, and when they leave."""

import pytest

from bridge.delivery.batching import Batch, Batcher, RequestLimits, Run, choose, cut, halves, without
from bridge.delivery.ordering import KeyedBatcher
from bridge.delivery.window_budget import BURST, SLACK, WindowBudget

LINGER = 0.5


def _limits(most_bytes=1_000, most_events=100, frame=10, separator=2):
    return RequestLimits(most_bytes, most_events, frame, separator, LINGER)


def _taken(batcher, now=0.0):
    return [batch.items for batch in iter(lambda: batcher.next_batch(now, force=True), None)]


def _ways(limits):
    """Both batchers, as functions of items and of the limits; each event has a key of its own."""

    def by_key(items):
        batcher = KeyedBatcher(limits, 1)
        batcher.add("o", items, list(range(len(items))), 0.0)
        return [batch.items for batch in iter(lambda: batcher.next_batch(0.0, 0, force=True), None)]

    def unordered(items):
        batcher = Batcher(limits)
        batcher.add("o", items, 0.0)
        return _taken(batcher)

    def one_by_one(items):
        batcher = Batcher(limits)
        for item in items:
            batcher.add("o", [item], 0.0)
        return _taken(batcher)

    return unordered, one_by_one, by_key


@pytest.mark.parametrize("separator", [0, 1, 2])
@pytest.mark.parametrize("way", [0, 1, 2], ids=["at once", "one by one", "by key"])
def test_a_request_takes_the_last_byte_that_it_may_and_no_more(way, separator):
    """One byte too many would be refused as a whole; one too few would cost a request more."""
    items = [b"a" * 30, b"b" * 20, b"c" * 40]
    whole = 10 + 90 + 2 * separator
    assert _ways(_limits(whole, separator=separator))[way](items) == [items]
    assert _ways(_limits(whole - 1, separator=separator))[way](items) == [items[:2], items[2:]]
    alone = _limits(10 + 30, separator=separator)
    assert _ways(alone)[way](items) == [[items[0]], [items[1]], [items[2]]]


@pytest.mark.parametrize("separator", [0, 3])
def test_each_request_knows_its_size(separator):
    """The first and the later ones of an owner, begun by another or not: its frame, its events, and what stands between two."""
    batcher = Batcher(_limits(200, 4, separator=separator))
    batcher.add("a", [b"a"], 0.0)
    batcher.add("b", [b"%02d" % n for n in range(9)], 0.0)
    batches = list(batcher.batches())
    assert [len(batch.items) for batch in batches] == [4, 4, 2]
    for batch in batches:
        assert batch.size == 10 + sum(map(len, batch.items)) + separator * (len(batch.items) - 1)


@pytest.mark.parametrize("way", [0, 1, 2], ids=["at once", "one by one", "by key"])
def test_a_request_takes_as_many_events_as_it_may_and_no_more(way):
    """The destination refuses a request of one event too many."""
    items = [b"%d" % n for n in range(7)]
    assert _ways(_limits(most_events=3))[way](items) == [items[:3], items[3:6], items[6:]]
    assert _ways(_limits(most_events=7))[way](items) == [items]


def test_a_full_request_leaves_at_once_and_is_counted_out():
    """It does not linger; the one behind it does, and has the time at which it was begun."""
    batcher = Batcher(_limits(most_events=2))
    batcher.add("o", [b"a", b"b"], 5.0)
    assert batcher.due(5.0) == 0.0
    batcher.add("o", [b"c"], 6.0)
    assert batcher.events == 3
    assert [batch.items for batch in batcher.batches()] == [[b"a", b"b"], [b"c"]]
    assert batcher.next_batch(5.0).items == [b"a", b"b"]
    assert batcher.events == 1
    assert batcher.next_batch(6.0) is None
    assert batcher.due(6.0) == LINGER
    assert batcher.due(9.0) == 0.0
    assert batcher.next_batch(6.0 + LINGER).opened == 6.0
    assert (batcher.events, batcher.due(9.0), list(batcher.batches())) == (0, None, [])


def test_an_event_over_the_limit_goes_alone():
    """Only the destination can say that it is too large; its neighbours do not share its fate."""
    items = [b"a", b"x" * 200, b"b"]
    for way in _ways(_limits(100)):
        assert way(items) == [[b"a"], [b"x" * 200], [b"b"]]


def test_a_part_of_a_batch_has_its_runs_tags_size_and_time():
    """Events of one owner that stand together are one run, others are not; folded ones move with their item."""
    items = [b"aa", b"b", b"ccc", b"d"]
    batch = Batch(7, 10 + 7 + 3 * 2, 3.5, items, [Run("x", 4, 2), Run("y", 0, 2)], [1, 2, 3, 4], {1: [("z", 9)]})
    part = choose(batch, [1, 2, 3], _limits())
    assert (part.lane, part.opened, part.items, part.tags) == (7, 3.5, items[1:], [2, 3, 4])
    assert part.runs == [Run("x", 5, 1), Run("y", 0, 2)]
    assert part.folded == {0: [("z", 9)]}
    assert part.size == 10 + 5 + 2 * 2
    assert choose(batch, [0], _limits()).size == 10 + 2
    assert choose(batch, [0, 2], _limits()).runs == [Run("x", 4, 1), Run("y", 0, 1)]
    assert choose(batch, [], _limits()).size == 10
    assert choose(Batch(0, 0, 0.0, [b"p", b"q"], [Run("x", 0, 2)]), [0, 1], _limits()).tags == []
    assert [each.items for each in halves(batch, _limits())] == [items[:2], items[2:]]
    assert [each.items for each in cut(batch, 1, _limits())] == [items[:1], items[1:]]
    assert batch.events == 5
    assert list(batch.every_owner()) == ["x", "y", "z"]


def test_events_of_one_owner_that_do_not_follow_each_other_are_two_runs():
    """Else the answer for one would be taken for its neighbour's."""
    batch = Batch(0, 0, 0.0, [b"a", b"b", b"c"], [Run("x", 0, 3)])
    assert choose(batch, [0, 2], _limits()).runs == [Run("x", 0, 1), Run("x", 2, 1)]


def test_what_nobody_owns_any_more_leaves_the_batch():
    """An item stays for one owner that is there, its own or a folded one's; nothing is sent for none."""
    batch = Batch(0, 0, 0.0, [b"a", b"b", b"c"], [Run("x", 0, 1), Run("y", 0, 1), Run("z", 0, 1)], [], {0: [("y", 5)]})
    assert without(batch, set().__contains__, _limits()) is batch
    assert without(batch, {"x"}.__contains__, _limits()).items == batch.items
    assert without(batch, {"y"}.__contains__, _limits()).items == [b"a", b"c"]
    assert without(batch, {"x", "y"}.__contains__, _limits()).items == [b"c"]
    assert without(batch, {"x", "y", "z"}.__contains__, _limits()) is None


def test_each_lane_has_its_own_time():
    """A full request of one lane does not send the other lane's; forced, each gives its front one."""
    batcher = KeyedBatcher(_limits(most_events=2), 2)
    batcher.add("o", [b"a", b"b", b"c"], [0, 1, 2], 5.0)
    assert (batcher.events, batcher.due(5.0, 0), batcher.due(5.1, 1)) == (3, 0.0, pytest.approx(LINGER - 0.1))
    assert batcher.next_batch(5.0, 1) is None
    assert batcher.next_batch(5.0, 0).items == [b"a", b"c"]
    taken = batcher.next_batch(5.0 + LINGER, 1)
    assert (taken.lane, taken.opened, taken.size, taken.items) == (1, 5.0, 10 + 1, [b"b"])
    assert (batcher.events, batcher.due(6.0, 0), batcher.next_batch(6.0, 0, force=True)) == (0, None, None)
    assert batcher.due_past(6.0, 0, ()) is None


def test_a_key_of_a_request_that_has_left_may_have_the_next_one():
    """Its next event need not wait behind a request that is not there any more."""
    batcher = KeyedBatcher(_limits(), 1)
    batcher.add("o", [b"a", b"A", b"b"], [1, 1, 2], 0.0)
    assert batcher.next_batch(0.0, 0, force=True).items == [b"a", b"b"]
    batcher.add("o", [b"c"], [3], 0.0)
    batcher.add("o", [b"B", b"C"], [2, 3], 0.0)
    assert [batch.items for batch in batcher.batches()] == [[b"A", b"c", b"B"], [b"C"]]


def test_events_without_a_key_share_a_request_in_their_order():
    """A tag below 0 stands for no key; that of 0 is one."""
    batcher = KeyedBatcher(_limits(), 1)
    batcher.add("o", [b"a", b"b", b"c", b"d"], [-1, -1, 0, 0], 0.0)
    assert [batch.items for batch in batcher.batches()] == [[b"a", b"b", b"c"], [b"d"]]


def test_only_what_no_waiting_key_is_before_may_pass():
    """Of the first request that has any, when it is due; what stays keeps its place, and its key the order."""
    batcher = KeyedBatcher(_limits(most_events=3), 1)
    batcher.add("o", [b"a", b"b", b"A", b"c"], [1, 2, 1, 3], 5.0)
    assert [batch.items for batch in batcher.batches()] == [[b"a", b"b", b"c"], [b"A"]]
    assert batcher.due_past(5.0, 0, {1}) == 0.0, "a full one does not linger"
    taken = batcher.next_batch_past(5.0, 0, {1, 3})
    assert (taken.items, taken.size, batcher.events) == ([b"b"], 11, 3)
    assert batcher.next_batch_past(9.0, 0, {1, 3}, force=True) is None, "the second a is behind the first"
    assert batcher.next_batch_past(5.0, 0, {1, 2}).items == [b"c"]
    assert batcher.due_past(5.0, 0, {2}) == 0.0
    assert batcher.next_batch_past(5.0, 0, {2}).items == [b"a"]
    assert batcher.due_past(5.1, 0, {2}) == pytest.approx(LINGER - 0.1)
    assert batcher.due_past(9.0, 0, {2}) == 0.0
    assert batcher.next_batch_past(5.1, 0, {2}) is None
    assert batcher.next_batch_past(5.0 + LINGER, 0, {2}).items == [b"A"]
    assert batcher.events == 0


def test_a_budget_leaves_evenly():
    """What is left of it beside one request, over the window and what may come together at its edges."""
    budget = WindowBudget("events", 1_000, 60.0, 100)
    assert budget.rate == pytest.approx(900 / (60.0 * (1 + BURST + SLACK)))
    assert WindowBudget("events", 1_000, 60.0, 600).rate == pytest.approx(500 / (60.0 * 1.03))
    assert WindowBudget("events", 1_030).rate == pytest.approx(1_029 / 61.8)
    assert budget.burst == pytest.approx(0.9)


def test_a_budget_is_waited_for_until_a_burst_before_it_is_free():
    """Nobody waits for what is free; without a budget nobody waits and nothing is counted."""
    budget, off = WindowBudget("events", 1_000, 60.0, 100), WindowBudget("events", 0)
    assert budget.wait(110.0, 100.0) == pytest.approx(9.1)
    assert budget.wait(100.9, 100.0) == pytest.approx(0.0)
    assert budget.wait(50.0, 100.0) == 0.0
    assert off.wait(110.0, 100.0) == 0.0
    assert budget.free_at_after(90.0, 100, 0.5, 100.0) == pytest.approx(100.0 + 100 / (budget.rate * 0.5))
    assert budget.free_at_after(110.0, 100, 1.0, 100.0) == pytest.approx(110.0 + 100 / budget.rate)
    assert (budget.free_at_after(110.0, 0, 1.0, 100.0), budget.free_at_after(90.0, 0, 1.0, 100.0)) == (110.0, 90.0)
    assert off.free_at_after(90.0, 100, 1.0, 100.0) == 90.0


def test_what_has_passed_leaves_its_place_to_its_key():
    """Its next event goes into the first request that has room, and is not sought where it was."""
    batcher = KeyedBatcher(_limits(), 1, fold=lambda first, second: first + second)
    batcher.add("o", [b"a", b"b"], [1, 2], 5.0)
    assert batcher.next_batch_past(5.0, 0, {1}, force=True).items == [b"b"]
    batcher.add("o", [b"B"], [2], 6.0)
    assert [(batch.items, batch.tags) for batch in batcher.batches()] == [([b"a", b"B"], [1, 2])]
    assert batcher.events == 2


def test_a_request_that_was_emptied_by_what_passed_is_none():
    """Whoever asks when the lane may send is told the time of the next one, or that there is none."""
    batcher = KeyedBatcher(_limits(most_events=1), 1)
    batcher.add("o", [b"a"], [1], 5.0)
    assert batcher.next_batch_past(5.0, 0, ()).items == [b"a"]
    assert batcher.due(5.0, 0) is None
    batcher = KeyedBatcher(_limits(most_events=2), 1)
    batcher.add("o", [b"a", b"b", b"A"], [1, 2, 1], 5.0)
    assert batcher.next_batch_past(5.0, 0, ()).items == [b"a", b"b"]
    assert batcher.due(5.0, 0) == LINGER


def test_an_event_without_its_tag_is_no_event_less():
    """Whoever brings fewer tags than events is told so; the rest would be lost in silence."""
    with pytest.raises(ValueError, match="argument 2"):
        KeyedBatcher(_limits(), 1).add("o", [b"a", b"b"], [1], 0.0)


def _folded(most_bytes, items, tags):
    batcher = KeyedBatcher(_limits(most_bytes), 1, fold=lambda first, second: first + second[1:])
    batcher.add("o", items, tags, 0.0)
    return [batch.items for batch in batcher.batches()]


def test_events_of_a_key_are_folded_as_far_as_their_request_has_room():
    """To the last byte; what is too large for it goes into the next request, as it would without being folded."""
    both = 10 + len(b"aAB") + 2 + len(b"b")
    assert _folded(both, [b"aA", b"b", b"aB"], [0, 1, 0]) == [[b"aAB", b"b"]]
    assert _folded(both - 1, [b"aA", b"b", b"aB"], [0, 1, 0]) == [[b"aA", b"b"], [b"aB"]]
    large = [b"a" * 60, b"b" * 20]
    assert _folded(10 + 60 + 2 + 20 + 9, [*large, b"c" * 10], [0, 1, 0]) == [[b"a" * 60 + b"c" * 9, b"b" * 20]]


def test_events_without_a_key_are_not_folded():
    """They have nothing in common, though one tag; a key whose tag is 0 is one like others."""
    assert _folded(1_000, [b"aA", b"aB"], [-1, -1]) == [[b"aA", b"aB"]]
    assert _folded(1_000, [b"aA", b"aB"], [0, 0]) == [[b"aAB"]]
