"""What becomes of the events of one request, by its outcome and the history of its shipment; no loop, no time that passes."""

from types import SimpleNamespace

import pytest

from bridge.delivery.batching import Batch, RequestLimits, append_run
from bridge.delivery.blame import RequestTally
from bridge.delivery.settlement import Settlement
from bridge.delivery.waiting import Shipment
from bridge.model.verdicts import (
    ACCEPTED,
    AllAccepted,
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
from bridge.telemetry.metrics import Metrics

NOW = 50.0
LIMITS = RequestLimits(1_000, 50, 10, 1, 0.1)
BUSY, BROKEN, BAD = (
    Transient("AEP 503"),
    Transient("AEP 500", data_suspect=True),
    Rejected(Stage.DELIVER, "aep_400", "no"),
)


class _Scene:
    """A settlement with everything around it as doubles."""

    def __init__(self, *, circuit_open=False, postponed_tries=0, taken=0):
        self.done, self.dead, self.places = [], [], {}
        self.metrics = Metrics()
        flow_control = SimpleNamespace(record=RequestTally(successes=taken), circuit=SimpleNamespace(open=circuit_open))
        self.record = flow_control.record
        backoff = SimpleNamespace(delay=lambda failures: 10.0 * failures)
        self.settlement = Settlement(self, LIMITS, flow_control, backoff, self.metrics, postponed_tries=postponed_tries)

    def accepted(self, owner, places):
        """Delivered."""
        self.done.append((owner, len(places)))
        self.places.setdefault(owner, []).extend(places)

    def rejected(self, owner, event, rejected, attempts):
        """Dead letter."""
        self.dead.append((owner, event, rejected.code, rejected.reason, attempts))

    def settle(self, shipment, outcome):
        """What is to be sent again: items, due, tries."""
        again = self.settlement.settle(shipment, outcome, NOW)
        return [(b"".join(one.batch.items).decode(), one.due, one.tries) for one in again]

    def retries(self):
        """Counts that are not 0."""
        [family] = self.metrics.retries.collect()
        return {sample.labels["reason"]: sample.value for sample in family.samples if sample.name.endswith("_total")}


def _shipment(text="abcd", owner="o", **history):
    batch = Batch(0, 10, 0.0)
    for number, letter in enumerate(text):
        batch.items.append(letter.encode())
        append_run(batch.runs, owner, number)
    return Shipment(batch, **history)


def test_all_accepted():
    """Each owner hears of its events, and they are counted."""
    scene = _Scene()
    shipment = _shipment("ab", owner="o")
    shipment.batch.items.append(b"c")
    append_run(shipment.batch.runs, "p", 0)
    assert scene.settle(shipment, AllAccepted()) == []
    assert scene.done == [("o", 2), ("p", 1)]
    assert scene.places == {"o": [0, 1], "p": [0]}
    assert scene.metrics.delivered_events._value.get() == 3
    assert scene.retries() == {}


def test_event_by_event():
    """Accepted by owner, a dead letter with its attempts, and suspects apart from what is only postponed."""
    scene = _Scene()
    again = scene.settle(_shipment("abcdef", tries=2), Answered([ACCEPTED, BUSY, BAD, BROKEN, ACCEPTED, BUSY]))
    assert scene.done == [("o", 2)]
    assert scene.places == {"o": [0, 4]}
    assert scene.dead == [("o", 2, "aep_400", "no", 3)]
    assert again == [("bf", NOW + 30, 3), ("d", NOW + 30, 3)]
    assert scene.metrics.delivered_events._value.get() == 2
    assert scene.retries() == {"item": 1}
    everything = _Scene()
    assert everything.settle(_shipment("ab"), Answered([ACCEPTED, BAD])) == []
    assert everything.retries() == {}


@pytest.mark.parametrize(
    ("outcome", "recovered"),
    [
        (AllAccepted(), 3),
        (Answered([ACCEPTED, BUSY]), 3),
        (Answered([BAD, BROKEN]), 3),
        (Answered([BUSY, BUSY]), 0),
        (Answered([BUSY, BROKEN]), 0),
        (BROKEN, 0),
    ],
)
def test_failures_were_the_destinations_when_some_of_the_events_have_a_verdict(outcome, recovered):
    """Three times the same request failed; while none of it is judged they may be the events'."""
    scene = _Scene()
    scene.settle(_shipment("ab", tries=3, failed=3), outcome)
    assert scene.record.recovered == recovered


@pytest.mark.parametrize(
    ("outcome", "reason", "tries"),
    [
        (Throttled(429), "throttled", 0),
        (Throttled(503, 5.0), "transient", 0),
        (Unauthorized("no"), "held", 1),
        (Misconfigured("no"), "held", 1),
    ],
)
def test_what_is_nobodys_fault_goes_again_at_once(outcome, reason, tries):
    """The flow_control hold it; a refusal of us all is remembered, as others may be taken meanwhile."""
    scene = _Scene()
    assert scene.settle(_shipment(), outcome) == [("abcd", 0.0, tries)]
    assert scene.retries() == {reason: 1}


@pytest.mark.parametrize("outcome", [Unauthorized("no"), Misconfigured("no")])
def test_a_refusal_of_us_is_never_a_strike(outcome):
    """Others were taken since: it was passed by, for the words of the refusal, and no data is under blame."""
    shipment = _shipment(tries=1)
    _Scene(taken=5).settle(shipment, outcome)
    assert (shipment.tries, shipment.passed, shipment.strikes, shipment.reason) == (2, 1, 0, "no")


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [(Transient("timeout"), "transient"), (BROKEN, "suspect"), (Mismatched("odd"), "mismatched")],
)
def test_what_failed_waits_out_its_backoff(outcome, reason):
    """By its own tries; while the circuit is open that alone spaces attempts."""
    scene = _Scene()
    assert scene.settle(_shipment(tries=1), outcome) == [("abcd", NOW + 20, 2)]
    assert scene.retries() == {reason: 1}
    assert _Scene(circuit_open=True).settle(_shipment(tries=1), outcome) == [("abcd", NOW, 2)]


@pytest.mark.parametrize("outcome", [Transient("timeout"), BROKEN])
def test_the_sixth_failure_halves_it(outcome):
    """Both halves go at once; a single event waits on."""
    assert _Scene().settle(_shipment(tries=5), outcome) == [("ab", NOW, 4), ("cd", NOW, 4)]
    assert _Scene().settle(_shipment("a", tries=5), outcome) == [("a", NOW + 60, 6)]


def test_an_answer_by_event_halves_only_suspects():
    """What is postponed by name stays together; what answers 500 is isolated."""
    assert _Scene().settle(_shipment(tries=5), Answered([BUSY] * 4)) == [("abcd", NOW + 60, 6)]
    assert _Scene().settle(_shipment(tries=5), Answered([BROKEN] * 4)) == [("ab", NOW, 4), ("cd", NOW, 4)]


@pytest.mark.parametrize(
    ("outcome", "code", "said"),
    [
        (BROKEN, "refused_repeatedly", "AEP 500, while other events were accepted"),
        (Answered([BROKEN]), "refused_repeatedly", "AEP 500, while other events were accepted"),
        (
            Mismatched("odd"),
            "answer_mismatched",
            "the destination's answer cannot be read (odd), while other events were accepted",
        ),
    ],
)
def test_the_eighth_strike_alone_is_guilt(outcome, code, said):
    """Others were taken since: a dead letter with what was said; without them it waits on."""
    scene = _Scene(taken=5)
    assert scene.settle(_shipment("a", tries=9, strikes=7), outcome) == []
    assert scene.dead == [("o", 0, code, said, 11)]
    waits = _Scene(taken=0)
    assert waits.settle(_shipment("a", tries=9, strikes=7), outcome) == [("a", NOW + 100, 10)]
    assert waits.dead == []


def test_a_time_out_is_never_guilt():
    """With strikes of before it too: this failure is not the data's."""
    scene = _Scene(taken=5)
    assert scene.settle(_shipment("a", tries=9, strikes=8), Transient("timeout")) == [("a", NOW + 100, 10)]
    assert scene.dead == []


@pytest.mark.parametrize(
    ("outcome", "text", "set_aside"),
    [
        (Answered([BUSY, BUSY]), "ab", True),
        (Transient("AEP 503"), "a", True),
        (Transient("AEP 503"), "ab", False),
    ],
)
def test_what_is_postponed_too_often_is_set_aside(outcome, text, set_aside):
    """Where the answer named it, or it was alone; of a request of several it is not known which."""
    scene = _Scene(taken=5, postponed_tries=5)
    again = scene.settle(_shipment(text, tries=4, passed=3), outcome)
    if set_aside:
        said = "AEP 503, 5 times while other events were accepted"
        assert scene.dead == [("o", n, "postponed_repeatedly", said, 5) for n in range(len(text))]
        assert again == []
    else:
        assert scene.dead == []
        assert again == [("ab", NOW + 50, 5)]
    assert _Scene(taken=5).settle(_shipment(text, tries=4, passed=3), outcome) == [(text, NOW + 50, 5)], "0 is never"


def test_too_large_and_unexplained_are_cut_until_one_is_alone():
    """Halves at once; the one that is alone is the dead letter, with the code of the answer."""
    scene = _Scene()
    assert scene.settle(_shipment("abc"), TooLarge()) == [("a", NOW, 0), ("bc", NOW, 0)]
    assert scene.settle(_shipment("ab"), Unexplained("aep_422", "bad")) == [("a", NOW, 0), ("b", NOW, 0)]
    assert scene.dead == []
    assert scene.settle(_shipment("a", tries=1), TooLarge()) == []
    assert scene.settle(_shipment("a", tries=2), Unexplained("aep_422", "bad")) == []
    assert [(code, attempts) for _, _, code, _, attempts in scene.dead] == [("too_large", 2), ("aep_422", 3)]


def test_an_unreadable_answer_is_asked_for_once_more_and_then_halved():
    """The second time two events or more are cut; a single one waits."""
    scene, shipment = _Scene(), _shipment("ab")
    assert scene.settle(shipment, Mismatched("odd")) == [("ab", NOW + 10, 1)]
    assert [text for text, *_ in scene.settle(shipment, Mismatched("odd"))] == ["a", "b"]
    alone = _shipment("a")
    for tries in (1, 2, 3):
        assert scene.settle(alone, Mismatched("odd")) == [("a", NOW + 10 * tries, tries)]
    assert scene.dead == []


def test_an_answer_that_leaves_events_out_settles_none():
    """A verdict is missing: which event it is of cannot be known, so nothing may be acknowledged."""
    scene = _Scene()
    with pytest.raises(ValueError, match="shorter"):
        scene.settle(_shipment("ab"), Answered([ACCEPTED]))
    assert scene.done == []
