"""How much more is read for evidence, and when, by the numbers."""

from bridge.delivery.evidence import Search


def _rounds(search, count, now):
    """Ask as soon as it is time and find something, so often: how much was asked for, and the waits between."""
    asked, waits = [], []
    for _ in range(count):
        begun = now
        while not search.is_time(now):
            now += 1.0
        waits.append(now - begun)
        asked.append(search.ask(now, ahead=False))
        search.found(now)
    return asked, waits, now


def test_what_is_asked_for_in_vain_doubles_and_so_do_the_waits():
    """One at once; a quarter of an hour at most between two rounds."""
    asked, waits, _ = _rounds(Search(), 20, 1_000.0)
    assert asked == [2**round_ for round_ in range(17)] + [2**16] * 3
    assert waits == [0.0, *(2.0**round_ for round_ in range(1, 10)), *[900.0] * 10]


def test_after_something_was_taken_as_much_is_asked_for_at_once():
    """The next round comes without a wait, the one after it waits as at first."""
    search = Search()
    _, _, now = _rounds(search, 5, 1_000.0)
    search.accepted(now)
    asked, waits, now = _rounds(search, 2, now)
    assert (asked, waits) == ([32, 64], [0.0, 2.0])
    assert search.ask(now, ahead=True) == 4, "far ahead it is as much as has been in vain since"
    search.accepted(now - 100.0)
    assert not search.is_time(now - 101.0), "what is due is never put off"


def test_it_is_one_round_until_something_is_found():
    """Asked again and again in the meantime it stays the same, and what comes unasked is no round."""
    search = Search()
    search.found(1.0)
    assert [search.ask(1_000.0 + n, ahead=False) for n in range(5)] == [1] * 5
    search.found(1_005.0)
    search.found(1_005.0)
    assert not search.is_time(1_006.9)
    assert search.is_time(1_007.0)
    assert search.ask(1_007.0, ahead=False) == 2


def test_a_minute_without_need_begins_anew():
    """Counted from the time when the next round was due, not from the last one."""
    search = Search()
    _, _, now = _rounds(search, 5, 1_000.0)
    due = now + 32.0
    assert search.ask(due + 60.0, ahead=False) == 32
    search.found(due + 60.0)
    assert search.ask(due + 60.0 + 64.0 + 60.5, ahead=False) == 1
    search.found(2_000.0)
    assert search.is_time(2_002.0)


def test_the_first_round_is_one_event_at_once():
    """Whatever the clock says, also on a machine that has just started; and what came unasked before it was no round."""
    for ahead in (True, False):
        search = Search()
        search.found(0.0)
        assert search.is_time(0.0)
        assert search.ask(0.0, ahead=ahead) == 1
