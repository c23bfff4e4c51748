"""What events under way build on, and what waits to be stored, of one partition."""

from types import SimpleNamespace

import pytest

from bridge.model.accepted_state import Change
from bridge.worker.accepted_state.fenced_state import FencedState
from bridge.worker.accepted_state.shelf import Ending, Shelf, Unfinished


def _shelf(state=True):
    known = FencedState(bytes, 1)
    known.read([(0, bytes(8) + b"k", b"stored")], 1)
    return Shelf(("t", 0), 1, known if state else None)


def _chunk(*, closed=False):
    return SimpleNamespace(closed=closed)


def _event(shelf, value, key=b"k"):
    event = Unfinished(shelf, Change(key, value))
    shelf.advance(event)
    return event


def test_what_is_under_way_counts_until_the_last_of_it_has_ended():
    """Each event ends once, however often that is told."""
    shelf = _shelf()
    first, second = _event(shelf, b"one"), _event(shelf, b"two")
    for _ in range(2):
        shelf.settle(first)
        assert shelf.recall(b"k") == b"two"
    shelf.settle(second)
    assert shelf.recall(b"k") == b"stored"


@pytest.mark.parametrize(("state", "value"), [(True, None), (False, b"v"), (False, None)])
def test_nothing_builds_on_what_is_only_written_or_deleted(state, value):
    """It says nothing to a later event."""
    shelf = _shelf(state)
    event = _event(shelf, value)
    assert shelf.recall(b"k") == (b"stored" if state else None)
    assert not event.builds
    shelf.settle(event)


def test_what_could_not_be_stored_is_stored_with_what_came_since():
    """The newer value, for both; of a key of which nothing came the same once more."""
    shelf = _shelf()
    endings = [Ending(_chunk()) for _ in range(4)]
    shelf.put(b"k", b"1", endings[0])
    shelf.put(b"l", b"2", endings[1])
    shelf.begin_storing()
    shelf.put(b"k", b"3", endings[2])
    shelf.put(b"k", b"4", endings[3])
    shelf.put_back()
    assert shelf.storing == {}
    assert {key: (due.value, due.endings) for key, due in shelf.due.items()} == {
        b"k": (b"4", [endings[0], endings[2], endings[3]]),
        b"l": (b"2", [endings[1]]),
    }
    assert all(shelf.keeps(ending.chunk) for ending in endings)
    assert not shelf.keeps(object())


def test_what_is_due_for_closed_chunks_alone_is_dropped():
    """Also what was being stored as they were closed, and failed; an open chunk has its value stored as it is."""
    shelf = _shelf()
    gone, ours = Ending(_chunk()), Ending(_chunk())
    for key in (b"k", b"l"):
        shelf.put(key, b"1", gone)
    shelf.put(b"k", b"2", ours)
    shelf.begin_storing()
    shelf.put(b"m", b"3", gone)
    gone.chunk.closed = True
    shelf.forget_closed()
    assert shelf.due == {}
    shelf.put_back()
    assert {key: (due.value, due.endings) for key, due in shelf.due.items()} == {b"k": (b"2", [ours])}
