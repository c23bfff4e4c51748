"""What waits to be sent, without a loop: what has not been tried yet, and what waits for its time."""

import pytest

from bridge.delivery.batching import Batch, Batcher, RequestLimits, Run, append_run
from bridge.delivery.ordering import KeyedBatcher
from bridge.delivery.waiting import ByLane, Shipment, Unordered

LIMITS = RequestLimits(1_000, 50, 10, 1, 0.1)
SINGLY = RequestLimits(1_000, 1, 10, 1, 0.1)


def _batch(*items, tags=()):
    batch = Batch(0, 10, 0.0, tags=list(tags))
    for number, item in enumerate(items):
        batch.items.append(item)
        append_run(batch.runs, "owner", number)
    return batch


@pytest.mark.parametrize("by_key", [False, True])
def test_what_is_nobodys_any_more_is_dropped(by_key):
    """Of what is new, of what failed, and of a request that others share: the rest keeps its place and its history."""
    waiting = ByLane(KeyedBatcher(LIMITS, 1)) if by_key else Unordered(Batcher(LIMITS))
    for owner, items in (("ours", [b"1"]), ("gone", [b"x"]), ("ours", [b"2", b"3"]), ("gone", [b"y"])):
        waiting.add(owner, items, [-1] * len(items), 0.0)
    shared, gone = _batch(b"4", tags=[1]), _batch(b"z", tags=[2])
    shared.runs[0] = Run("ours", 0, 1)
    gone.runs[0] = Run("gone", 0, 1)
    shared.items.append(b"w")
    shared.tags.append(3)
    append_run(shared.runs, "gone", 1)
    waiting.put_back([Shipment(gone, due=1.0, tries=7), Shipment(shared, due=2.0, tries=3)])
    assert len(waiting) == 8
    waiting.forget(lambda owner: owner == "gone")
    assert len(waiting) == 4
    left = {}
    while (shipment := waiting.next(2.0)) is not None:
        waiting.landed(shipment)
        left[b"".join(shipment.batch.items)] = shipment.tries, {*shipment.batch.every_owner()}
    assert left == {b"4": (3, {"ours"}), b"123": (0, {"ours"})}
    waiting.forget(lambda _owner: True)
    assert len(waiting) == 0
    assert waiting.due(2.0) is None


def test_what_is_left_keeps_its_turn():
    """Of those that are due at the same time the one that failed first is sent first, also after others were dropped."""
    waiting = Unordered(Batcher(LIMITS))
    waiting.put_back([Shipment(_batch(bytes([65 + number])), due=1.0) for number in range(9)])
    waiting.forget(lambda owner: owner == "gone")
    sent = [waiting.next(1.0).batch.items[0] for _ in range(9)]
    assert sent == sorted(sent)


@pytest.mark.parametrize("waiting", [Unordered(Batcher(LIMITS)), ByLane(KeyedBatcher(LIMITS, 1))])
def test_what_has_not_been_tried_may_leave_at_once(waiting):
    """The rest of a batch of which a single event was taken as a probe: whatever the clock says, also on a machine just started."""
    rest = Shipment(_batch(b"b", b"c"))
    waiting.put_back([rest])
    assert waiting.due(0.0) == 0.0
    assert len(waiting) == 2
    assert waiting.next(0.0) is rest
    assert len(waiting) == 0


def test_what_failed_waits_for_its_time():
    """And lets what is new pass meanwhile."""
    waiting = Unordered(Batcher(LIMITS))
    waiting.put_back([Shipment(_batch(b"a"), due=5.0, tries=1)])
    assert waiting.next(4.9) is None
    assert waiting.due(4.0) == 1.0
    assert waiting.next(5.0).batch.items == [b"a"]
    assert waiting.due(5.0) is None


def _names(waiting, now, count, **options):
    """What leaves, so many times in a row; None where nothing does."""
    found = [waiting.next(now, **options) for _ in range(count)]
    return [each and b"".join(each.batch.items).decode() for each in found]


def _failed(name, due, tag=0):
    return Shipment(_batch(name, tags=[tag]), due=due, tries=1)


def test_what_failed_and_what_is_new_take_turns():
    """Neither keeps the other waiting; what failed is first, the one that has waited longest before others."""
    waiting = Unordered(Batcher(SINGLY))
    waiting.add("owner", [b"n1", b"n2", b"n3"], (), 0.0)
    waiting.put_back([_failed(b"f2", 0.6), _failed(b"f1", 0.5), _failed(b"f3", 0.7)])
    assert _names(waiting, 1.0, 7) == ["f1", "n1", "f2", "n2", "f3", "n3", None]


def test_a_request_that_fills_lingers_unless_it_is_asked_for():
    """By a drain, or by a probe that wants something new; a turn of its own is no reason."""
    for options, gives in (
        ({}, None),
        ({"force": True}, "n"),
        ({"fresh": True}, "n"),
        ({"fresh": False}, None),
        ({"fresh": False, "force": True}, "n"),
    ):
        waiting = Unordered(Batcher(LIMITS))
        waiting.put_back([_failed(b"f", 0.5)])
        assert _names(waiting, 0.9, 1) == ["f"], "the next turn is of what is new"
        waiting.add("owner", [b"n"], (), 1.0)
        assert _names(waiting, 1.0, 1, **options) == [gives], options


def test_a_drain_keeps_the_turns():
    """What is new goes between what failed, without lingering."""
    waiting = Unordered(Batcher(LIMITS))
    waiting.add("owner", [b"n"], (), 1.0)
    waiting.put_back([_failed(b"f1", 0.5), _failed(b"f2", 0.6)])
    assert _names(waiting, 1.0, 4, force=True) == ["f1", "n", "f2", None]


def test_a_probe_gets_what_it_asks_for():
    """Something new or something that failed, and where there is none of it the other."""
    waiting = Unordered(Batcher(SINGLY))
    waiting.add("owner", [b"n1", b"n2"], (), 0.0)
    waiting.put_back([_failed(b"f1", 0.5), _failed(b"f2", 0.6)])
    assert _names(waiting, 1.0, 2, fresh=True) == ["n1", "n2"]
    assert _names(waiting, 1.0, 2, fresh=True) == ["f1", "f2"]
    waiting.add("owner", [b"n3"], (), 0.0)
    assert _names(waiting, 1.0, 1, fresh=False) == ["n3"]


def test_what_need_not_wait_is_known():
    """New events, and the untried rest of a batch; what failed before is none of it, and nothing is nothing."""
    waiting = Unordered(Batcher(LIMITS))
    assert not waiting.has_free
    waiting.put_back([_failed(b"f", 0.5)])
    assert not waiting.has_free
    waiting.put_back([Shipment(_batch(b"rest"))])
    assert waiting.has_free
    new = Unordered(Batcher(LIMITS))
    new.add("owner", [b"n"], (), 0.0)
    assert new.has_free


def test_lanes_take_turns_and_each_has_one_under_way():
    """From the first lane on; one that has landed is asked again when its turn comes."""
    waiting = ByLane(KeyedBatcher(SINGLY, 3))
    for lane in range(3):
        waiting.add("owner", [b"%d" % lane, b"%d" % lane], (lane, lane), 0.0)
    left = [waiting.next(1.0) for _ in range(4)]
    assert [each and each.batch.lane for each in left] == [0, 1, 2, None]
    for shipment in reversed(left[:3]):
        waiting.landed(shipment)
    assert [waiting.next(1.0).batch.lane for _ in range(3)] == [0, 1, 2]


def test_in_a_lane_what_failed_and_other_keys_take_turns():
    """What failed keeps back the events of its key alone; the one that has waited longest is tried first."""
    waiting = ByLane(KeyedBatcher(SINGLY, 1))
    waiting.add("owner", [b"n1", b"n2", b"late"], (7, 8, 1), 0.0)
    waiting.put_back([_failed(b"f1", 0.7, tag=1), _failed(b"f2", 0.5, tag=2)])
    waiting.put_back([_failed(b"f0", 0.9, tag=1)])
    gone = []
    for _ in range(5):
        shipment = waiting.next(1.0)
        gone.append(b"".join(shipment.batch.items).decode())
        waiting.landed(shipment)
    assert gone == ["f2", "n1", "f0", "n2", "f1"], "f1 is of the key of f0, and behind it"
    assert _names(waiting, 1.0, 1) == ["late"]


def test_in_a_lane_a_request_that_fills_lingers_unless_it_is_asked_for():
    """As it does without lanes."""
    for options, gives in (({}, None), ({"force": True}, "n"), ({"fresh": True}, "n"), ({"fresh": False}, None)):
        waiting = ByLane(KeyedBatcher(LIMITS, 1))
        waiting.add("owner", [b"n"], (3,), 1.0)
        assert _names(waiting, 1.0, 1, **options) == [gives], options


def test_in_a_lane_a_probe_gets_what_it_asks_for():
    """Something new where there is some, else what failed; or what failed, even when it is the turn of what is new."""
    waiting = ByLane(KeyedBatcher(SINGLY, 1))
    waiting.put_back([_failed(b"f", 0.5, tag=1)])
    waiting.add("owner", [b"n"], (3,), 0.0)
    for name in ("n", "f"):
        shipment = waiting.next(1.0, fresh=True)
        assert shipment.batch.items == [name.encode()]
        waiting.landed(shipment)
    waiting.put_back([_failed(b"g", 0.5, tag=1)])
    waiting.add("owner", [b"m"], (3,), 0.0)
    assert _names(waiting, 1.0, 1, fresh=False) == ["g"]


def test_in_a_lane_the_next_time_is_that_of_other_keys_too():
    """What failed waits for long, and what fills behind it only lingers; before that it need not wait for what failed."""
    waiting = ByLane(KeyedBatcher(LIMITS, 1))
    waiting.put_back([_failed(b"f", 60.0, tag=1)])
    assert (waiting.due(1.0), waiting.has_free) == (59.0, False)
    waiting.add("owner", [b"same key"], (1,), 1.0)
    assert (waiting.due(1.0), waiting.has_free) == (59.0, False)
    waiting.add("owner", [b"n"], (3,), 1.0)
    assert waiting.due(1.0) == pytest.approx(0.1)
    assert waiting.has_free
    untried = ByLane(KeyedBatcher(LIMITS, 1))
    untried.put_back([Shipment(_batch(b"rest", tags=[1]))])
    assert untried.has_free
