"""What a failed sending says of its events, by the numbers: strikes, halves, names, and what is given up."""

import pytest

from bridge.delivery import blame
from bridge.delivery.batching import Batch, RequestLimits, append_run
from bridge.delivery.blame import RequestTally
from bridge.delivery.waiting import Shipment

LIMITS = RequestLimits(1_000, 50, 10, 1, 0.1)


def _shipment(events=1, **history):
    batch = Batch(0, 10, 0.0)
    for number in range(events):
        batch.items.append(b"%d" % number)
        append_run(batch.runs, "owner", number)
    return Shipment(batch, **history)


def _fail(shipment, record, *, taken=0, recovered=0, now=0.0, suspect=True, reason="http_500"):
    """It fails once more, after so many other requests were taken, and of those that had failed so many failures are forgiven."""
    record.successes += taken
    record.recovered += recovered
    blame.note_failure(shipment, record, now, suspect=suspect, reason=reason)


@pytest.mark.parametrize(
    ("taken", "recovered", "passed"),
    [(0, 0, 0), (1, 0, 1), (2, 0, 1), (1, 1, 1), (2, 1, 1), (1, 2, 0), (3, 2, 1), (3, 4, 0), (0, 5, 0)],
)
def test_it_is_passed_by_when_others_mostly_succeed_at_once(taken, recovered, passed):
    """Since its last failure one was taken at least, and not more failures of others turned out to be the destination's."""
    shipment, record = _shipment(), RequestTally()
    _fail(shipment, record, recovered=1)
    assert (shipment.tries, shipment.failed, shipment.passed, shipment.strikes) == (1, 1, 0, 0)
    assert (shipment.successes, shipment.recovered) == (0, 1), "what others did since is counted from here on"
    _fail(shipment, record, taken=taken, recovered=recovered)
    assert (shipment.tries, shipment.failed, shipment.passed, shipment.strikes) == (2, 2, passed, passed)


def test_failures_are_the_destinations_once_the_same_events_are_taken():
    """Three failures of one request, then it is taken; a half of what failed had no failure of its own yet."""
    shipment, record = _shipment(2), RequestTally()
    for _ in range(3):
        _fail(shipment, record)
    half = _shipment()
    blame.inherit(shipment, half)
    blame.note_taken(half, record)
    assert record.recovered == 0
    blame.note_taken(shipment, record)
    assert record.recovered == 3
    rest = _shipment()
    blame.continues(shipment, rest)
    assert rest.failed == 0, "they are counted once"


def test_successes_before_its_first_failure_are_no_evidence():
    """The first failure may be the beginning of an outage."""
    shipment, record = _shipment(), RequestTally(successes=1_000)
    _fail(shipment, record)
    assert (shipment.passed, shipment.strikes) == (0, 0)
    _fail(shipment, record)
    assert shipment.passed == 0, "what was taken before it failed is counted once"


def test_only_what_may_be_its_data_is_a_strike():
    """A time-out beside successes is passed by, and no evidence of guilt."""
    shipment, record = _shipment(), RequestTally()
    for _ in range(20):
        _fail(shipment, record, taken=5, suspect=False, reason="timeout")
    assert (shipment.passed, shipment.strikes, shipment.reason) == (19, 0, "timeout")
    assert not blame.is_guilty(shipment)


def test_the_time_of_its_first_failure_is_kept():
    """A name tells since when."""
    shipment, record = _shipment(), RequestTally()
    for now in (5.0, 6.0, 9.0):
        _fail(shipment, record, now=now)
    assert shipment.since == 5.0


@pytest.mark.parametrize(("events", "strikes", "guilty"), [(1, 7, False), (1, 8, True), (2, 8, False)])
def test_guilt_takes_eight_strikes_alone(events, strikes, guilty):
    """One less, or company, and it is not."""
    assert blame.is_guilty(_shipment(events, strikes=strikes)) is guilty


@pytest.mark.parametrize(("events", "tries", "split"), [(2, 5, False), (2, 6, True), (1, 6, False)])
def test_halves_are_tried_after_six_failures(events, tries, split):
    """Of two events or more."""
    assert blame.should_split(_shipment(events, tries=tries)) is split


@pytest.mark.parametrize(
    ("history", "about"),
    [
        ({}, False),
        ({"tries": 1, "successes": 4}, True),
        ({"tries": 1, "successes": 5}, False),
        ({"tries": 0, "successes": 4}, False),
        ({"tries": 3, "passed": 1, "successes": 5}, True),
    ],
)
def test_a_refusal_of_us_all_is_of_its_events_when_others_were_taken_since(history, about):
    """Five were taken so far: it matters whether that was after its own failure."""
    assert blame.is_about_its_events(_shipment(**history), RequestTally(successes=5)) is about


@pytest.mark.parametrize(
    ("tries", "passed", "seconds", "held_up"),
    [
        (10, 3, 0.0, True),
        (9, 3, 14.9, False),
        (9, 3, 15.0, True),
        (10, 2, 60.0, False),
        (4, 3, 100.0, True),
    ],
)
def test_it_is_held_up_after_ten_tries_or_fifteen_seconds_beside_successes(tries, passed, seconds, held_up):
    """Three times passed by at least: without that it may be an outage."""
    shipment = _shipment(tries=tries, passed=passed, since=100.0)
    assert blame.is_held_up(shipment, 100.0 + seconds) is held_up


@pytest.mark.parametrize(
    ("history", "known"),
    [
        ({"tries": 10, "passed": 3, "successes": 5}, True),
        ({"tries": 10, "passed": 2, "successes": 5}, False),
        ({"tries": 1, "successes": 4}, True),
        ({"tries": 0, "successes": 4}, False),
    ],
)
def test_its_next_failure_is_no_news_when_others_were_taken_since_the_last(history, known):
    """Nor ever again after three times; the first failure of what is sent for the first time always is. Five were taken so far."""
    assert blame.is_known(_shipment(**history), RequestTally(successes=5)) is known


def test_what_counts_against_its_data_is_not_named():
    """Server errors end with a verdict of guilt; one that was also postponed is named by what is left."""
    assert not blame.is_held_up(_shipment(tries=20, passed=7, strikes=7), 1e6)
    assert not blame.is_held_up(_shipment(tries=20, passed=7, strikes=5), 1e6)
    assert blame.is_held_up(_shipment(tries=20, passed=7, strikes=4), 1e6)
    half = _shipment(1)
    blame.inherit(_shipment(2, tries=9, passed=7, strikes=6), half)
    assert half.passed == 1


@pytest.mark.parametrize(
    ("most", "tries", "passed", "given_up"),
    [(0, 1_000, 999, False), (5, 5, 4, True), (5, 4, 4, False), (5, 9, 3, False), (1, 1, 0, True)],
)
def test_it_is_given_up_after_the_tries_of_the_setting(most, tries, passed, given_up):
    """Each but the first beside successes; 0 is never."""
    assert blame.is_given_up(_shipment(tries=tries, passed=passed), most) is given_up


def test_a_half_has_to_show_for_itself():
    """It starts near the limit, without strikes, and one short of being known; the rest of its history is the whole's."""
    whole = _shipment(
        4, tries=9, passed=9, strikes=5, since=3.0, reason="http_502", told=True, successes=8, recovered=2
    )
    half = _shipment(2)
    blame.inherit(whole, half)
    assert (half.tries, half.passed, half.strikes) == (4, 2, 0)
    assert (half.since, half.reason, half.told, half.successes, half.recovered) == (3.0, "http_502", True, 8, 2)
    young = _shipment(2)
    blame.inherit(_shipment(4, tries=1, passed=1), young)
    assert (young.tries, young.passed) == (1, 1)


def test_what_is_left_keeps_its_history():
    """The others of a request were taken: its own failures count on."""
    whole = _shipment(
        4, tries=9, passed=7, strikes=5, since=3.0, reason="http_502", told=True, successes=8, recovered=2
    )
    rest = _shipment(1)
    blame.continues(whole, rest)
    assert (rest.tries, rest.passed, rest.strikes) == (9, 7, 5)
    assert (rest.since, rest.reason, rest.told, rest.successes, rest.recovered) == (3.0, "http_502", True, 8, 2)


@pytest.mark.parametrize(("tries", "taken", "wants"), [(0, 0, False), (1, 0, True), (1, 1, False), (2, 0, True)])
def test_evidence_is_wanted_of_what_failed_while_nothing_was_taken_since(tries, taken, wants):
    """What has not been sent yet needs none, and a success since is some."""
    shipment, record = _shipment(tries=tries), RequestTally(successes=taken)
    assert blame.wants_evidence(shipment, record) is wants
