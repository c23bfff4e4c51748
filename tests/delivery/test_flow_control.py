"""What each outcome says of the destination as a whole, without a loop: circuit, credentials, pause, pace, and the words for them."""

from random import Random

import pytest
from structlog.testing import capture_logs

from bridge.delivery.flow_control import FlowControl
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

OK, AWAY = AllAccepted(), Transient("AEP answered 503: busy")
POSTPONED = Answered([Transient("AEP answered 503 for this event: asha is busy")])


def _made_flow_control(*, wall=lambda: 1_000_000.0, requests=0.0, events=0.0):
    return FlowControl(
        ceiling=4,
        requests_per_second=requests,
        events_per_second=events,
        share=lambda: 0.5,
        circuit_threshold=3,
        random=Random(1),
        metrics=Metrics(),
        wall=wall,
    )


def _note(flow_control, *outcomes, now=10.0, **more):
    for outcome in outcomes:
        flow_control.note(outcome, now, seconds=0.1, under_way=4, **more)


@pytest.mark.parametrize("outcome", [AWAY, Mismatched("odd"), Throttled(503), Throttled(503, 7.0), POSTPONED])
def test_three_failures_in_a_row_open_the_circuit(outcome):
    """Whatever form they have; one success between them and it stays closed; one after it closes it."""
    flow_control = _made_flow_control()
    _note(flow_control, outcome, outcome)
    assert not flow_control.circuit.open
    _note(flow_control, OK, outcome, outcome)
    assert not flow_control.blocked
    _note(flow_control, outcome)
    assert flow_control.blocked
    assert flow_control.trouble.startswith("the destination ")
    flow_control.request_sent(1, 1_000.0)
    _note(flow_control, OK, now=1_000.0)
    assert (flow_control.blocked, flow_control.trouble) == (False, "")


def test_the_words_for_trouble_are_the_answers_and_those_of_single_events_are_left_out():
    """What AEP says of a request helps; what it says of an event may quote it."""
    for outcome, told in (
        (AWAY, "the destination is away, circuit open: AEP answered 503: busy"),
        (Mismatched("odd"), "the destination gives answers that cannot be read, circuit open: odd"),
        (Throttled(503, 1.0), "the destination is away, circuit open: the destination answered 503"),
        (POSTPONED, "the destination is away, circuit open: AEP answered 503 for this event"),
    ):
        flow_control = _made_flow_control()
        with capture_logs() as logs:
            _note(flow_control, *[outcome] * 5)
        assert flow_control.trouble == told
        assert [line["why"] for line in logs if line["event"] == "circuit_opened"] == [told]


@pytest.mark.parametrize(
    "outcome", [OK, Answered([ACCEPTED]), TooLarge(), Unexplained("aep_400", "bad"), Throttled(429)]
)
def test_an_answer_of_any_other_kind_shows_that_it_is_there(outcome):
    """It judged the request, or asked for less: neither is an outage, nor a refusal of us."""
    flow_control = _made_flow_control()
    _note(flow_control, AWAY, AWAY, outcome, AWAY, AWAY)
    assert not flow_control.circuit.open
    _note(flow_control, Unauthorized("no"))
    assert flow_control.credentials.open
    _note(flow_control, outcome)
    assert not flow_control.credentials.open
    assert flow_control.refusal == ""


def test_an_answer_that_cannot_be_read_shows_that_our_credentials_are_taken():
    """Whatever it says, it is no refusal of us any more; as an outage it counts all the same."""
    flow_control = _made_flow_control()
    _note(flow_control, Unauthorized("no"), Mismatched("odd"))
    assert (flow_control.credentials.open, flow_control.refusal) == (False, "")
    _note(flow_control, Mismatched("odd"), Mismatched("odd"))
    assert flow_control.circuit.open


def test_a_refusal_of_us_is_told_once_by_its_words_and_its_kind():
    """Held at the first; another reason is another line; it is known whether the set-up is meant."""
    flow_control = _made_flow_control()
    with capture_logs() as logs:
        _note(flow_control, Unauthorized("401"), Unauthorized("401"))
        assert (flow_control.blocked, flow_control.refusal, flow_control.misconfigured) == (True, "401", False)
        _note(flow_control, Misconfigured("404"))
        assert (flow_control.refusal, flow_control.misconfigured) == ("404", True)
        _note(flow_control, OK)
        assert (flow_control.blocked, flow_control.refusal) == (False, "")
        _note(flow_control, OK)
    lines = [line["event"] for line in logs if line["event"].startswith("delivery_")]
    assert lines == ["delivery_held", "delivery_held", "delivery_resumed"]


@pytest.mark.parametrize("away", [AWAY, Throttled(503)])
def test_a_refusal_of_us_is_no_outage_and_an_outage_no_refusal(away):
    """Each has a probe of its own, and the other's failure only puts it off."""
    flow_control = _made_flow_control()
    _note(flow_control, AWAY, AWAY, Unauthorized("401"), AWAY, AWAY)
    assert (flow_control.circuit.open, flow_control.credentials.open) == (False, True)
    flow_control.request_sent(1, 100.0)
    assert flow_control.wait(100.0, waiting=True) is None, "the probe is out"
    assert flow_control.next_try(100.0) == "an attempt is under way"
    _note(flow_control, away, now=100.0)
    assert flow_control.credentials.open
    assert flow_control.wait(100.0, waiting=True) > 0
    assert flow_control.credentials.wait(100.0) > 0, "asked again after the same time"


NO_TOKEN = Unauthorized("IMS cannot be reached", sent=False)


def test_without_a_token_one_looks_again_within_two_seconds_for_as_long_as_it_takes():
    """To look costs nothing, as whoever gives tokens has pauses of its own; a refusal by the destination is asked about less often."""
    waits = {}
    for outcome in (NO_TOKEN, Unauthorized("403")):
        flow_control = _made_flow_control()
        now, waits[outcome] = 10.0, []
        for _ in range(50):
            _note(flow_control, outcome, now=now)
            waits[outcome].append(flow_control.credentials.wait(now))
            now += waits[outcome][-1]
            flow_control.request_sent(1, now)
        assert (flow_control.blocked, flow_control.refusal) == (True, outcome.reason)
    assert max(waits[NO_TOKEN]) == 2.0
    assert max(waits[Unauthorized("403")]) > 20


@pytest.mark.parametrize("outcome", [AWAY, Throttled(503), Mismatched("odd"), OK])
def test_a_probe_that_was_sent_ends_a_want_of_tokens_whatever_comes_of_it(outcome):
    """Else the destination's own trouble would be waited out by the pauses of a long want of tokens."""
    flow_control = _made_flow_control()
    now = 10.0
    with capture_logs() as logs:
        for _ in range(20):
            _note(flow_control, NO_TOKEN, now=now)
            now += 2.0
            flow_control.request_sent(1, now)
        _note(flow_control, outcome, now=now)
    assert (flow_control.credentials.open, flow_control.refusal) == (False, "")
    lines = [(line["event"], line["detail"]) for line in logs if line["event"].startswith("delivery_")]
    assert lines == [
        ("delivery_held", "There is no token to be had; nothing is dropped."),
        (
            "delivery_resumed",
            "Delivery is no longer held: there is a token, or the destination accepts the credentials again.",
        ),
    ]


def test_a_refusal_of_a_new_token_is_a_refusal_from_its_first_answer_on():
    """What came before was a want of tokens: the pause between two questions begins anew."""
    flow_control = _made_flow_control()
    now = 10.0
    for _ in range(20):
        _note(flow_control, NO_TOKEN, now=now)
        now += 2.0
        flow_control.request_sent(1, now)
    _note(flow_control, Unauthorized("403"), now=now)
    assert 0 < flow_control.credentials.wait(now) <= 1.0
    assert flow_control.refusal == "403"


def test_what_was_sent_before_a_want_of_tokens_does_not_end_it():
    """It left with the token that has expired since."""
    flow_control = _made_flow_control()
    _note(flow_control, NO_TOKEN)
    _note(flow_control, AWAY)
    assert (flow_control.credentials.open, flow_control.refusal) == (True, "IMS cannot be reached")


def test_a_want_of_tokens_says_nothing_of_the_destination():
    """A circuit that is open stays so, and its probe is sent once more; one that is closed counts nothing."""
    flow_control = _made_flow_control()
    _note(flow_control, AWAY, AWAY, AWAY)
    trouble, now = flow_control.trouble, 100.0
    flow_control.request_sent(1, now)
    _note(flow_control, NO_TOKEN, now=now)
    assert (flow_control.circuit.open, flow_control.trouble) == (True, trouble)
    assert flow_control.circuit.wait(now) > 0
    flow_control = _made_flow_control()
    _note(flow_control, AWAY, AWAY, *[NO_TOKEN] * 5)
    assert not flow_control.circuit.open
    _note(flow_control, AWAY)
    assert flow_control.circuit.open


def test_a_refusal_in_the_same_words_is_told_once():
    """Whether or not anything was sent."""
    flow_control = _made_flow_control()
    with capture_logs() as logs:
        _note(flow_control, NO_TOKEN, Misconfigured(NO_TOKEN.reason), NO_TOKEN)
    assert [line["event"] for line in logs if line["event"] == "delivery_held"] == ["delivery_held"]
    assert not flow_control.misconfigured


def test_what_left_before_a_refusal_does_not_put_off_the_probe():
    """Its own failure says nothing of our credentials: they are asked about when they would have been."""
    flow_control = _made_flow_control()
    _note(flow_control, Unauthorized("401"), now=10.0)
    due = 10.0 + flow_control.credentials.wait(10.0)
    _note(flow_control, AWAY, now=10.05)
    assert 10.05 + flow_control.credentials.wait(10.05) == pytest.approx(due)


def test_what_is_known_to_be_postponed_says_nothing_new():
    """Its hundredth failure opens no circuit, lowers no pace and counts for nobody; as the probe of an open circuit it counts."""
    flow_control = _made_flow_control()
    _note(flow_control, *[OK] * 40)
    before = flow_control.most
    with capture_logs() as logs:
        _note(flow_control, *[AWAY, POSTPONED, Mismatched("odd")] * 30, known=True)
    assert (flow_control.blocked, flow_control.most) == (False, before)
    assert logs == []
    _note(flow_control, Answered([ACCEPTED, Transient("x")]), known=True)
    assert flow_control.record.successes == 41
    _note(flow_control, AWAY, AWAY, AWAY)
    flow_control.request_sent(1, 1_000.0)
    assert flow_control.wait(1_000.0, waiting=True) is None
    _note(flow_control, AWAY, now=1_000.0, known=True)
    assert flow_control.wait(1_000.0, waiting=True) > 0


@pytest.mark.parametrize(
    ("outcome", "taken"),
    [
        (OK, 1),
        (Answered([ACCEPTED, Transient("x")]), 1),
        (Answered([Rejected(Stage.DELIVER, "aep_400", "no")]), 1),
        (POSTPONED, 0),
        (AWAY, 0),
        (Mismatched("odd"), 0),
        (Throttled(503), 0),
        (Throttled(429), 0),
        (Unauthorized("no"), 0),
        (TooLarge(), 0),
    ],
)
def test_the_record_counts_what_was_judged(outcome, taken):
    """Evidence against single events is built on it."""
    flow_control = _made_flow_control()
    _note(flow_control, outcome)
    assert flow_control.record.successes == taken


@pytest.mark.parametrize(
    ("outcome", "lowers"), [(AWAY, True), (Throttled(429), True), (Mismatched("odd"), False), (TooLarge(), False)]
)
def test_what_lowers_the_pace(outcome, lowers):
    """An overload does; a request that was too large, or an answer that cannot be read, does not."""
    flow_control = _made_flow_control()
    _note(flow_control, *[OK] * 40)
    top = flow_control._limit.limit
    _note(flow_control, outcome)
    assert (flow_control._limit.limit < top) is lowers


@pytest.mark.parametrize("outcome", [OK, TooLarge(), Unexplained("aep_400", "bad")])
def test_throttling_ends_with_a_request_that_is_judged(outcome):
    """One at a time until then; as many as before after it."""
    flow_control = _made_flow_control()
    _note(flow_control, *[OK] * 40)
    _note(flow_control, Throttled(429))
    assert flow_control.most == 1
    assert flow_control.wait(10.0, waiting=True) > 0
    _note(flow_control, AWAY)
    assert flow_control.most == 1, "a failure is no end of it"
    _note(flow_control, outcome)
    assert flow_control.most > 1


def test_throttled_says_since_when_by_the_wall():
    """The beginning by the wall clock, the status, the next try; nothing before a minute is over, nor after its end."""
    wall = [1_000_000.0]
    flow_control = _made_flow_control(wall=lambda: wall[0])
    _note(flow_control, Throttled(429, 500.0), now=100.0)
    assert flow_control.throttled(159.9) == ""
    wall[0] += 60
    assert flow_control.throttled(160.0) == (
        "throttled since 1970-01-12 13:46:40 UTC (the destination answers 429), next try in 440 s"
    )
    with capture_logs() as logs:
        for now in (100.0, 160.0, 161.0):
            flow_control.tick(now)
        assert flow_control._metrics.throttled._value.get() == 1
        _note(flow_control, OK, now=600.0)
        assert flow_control._metrics.throttled._value.get() == 0
        flow_control.tick(601.0)
        _note(flow_control, OK, now=602.0)
    lines = [line["event"] for line in logs if "throttles" in line["event"]]
    assert lines == ["destination_throttles", "destination_throttles_no_more"]
    assert flow_control._metrics.throttled._value.get() == 0


def test_a_pause_and_a_rate_limit_are_pauses_and_nothing_else_is():
    """What the watchdog takes for a reason to wait."""
    flow_control = _made_flow_control()
    assert not flow_control.paused(10.0)
    _note(flow_control, Throttled(429, 5.0))
    assert (flow_control.paused(14.9), flow_control.paused(15.0)) == (True, False)
    for limits in ({"requests": 4.0}, {"events": 4.0}):
        limited = _made_flow_control(**limits)
        limited.request_sent(1, 10.0)
        assert limited.paused(10.0), "for a quarter of a second"
        assert limited.next_try(10.0) == "next try now", "a limit of ours is no word on the destination"
        assert not limited.paused(20.0)
    _note(flow_control, AWAY, AWAY, AWAY, now=20.0)
    assert not flow_control.paused(20.0), "an open circuit is told by itself"


def test_a_share_of_the_limits_is_taken():
    """Half of two requests a second is one; of four events two."""
    flow_control = _made_flow_control(requests=2.0)
    flow_control.request_sent(1, 10.0)
    assert flow_control.wait(10.0, waiting=True) == pytest.approx(1.0 - 0.25)
    assert flow_control.wait(10.0, waiting=False) == 0.0, "with nothing to send there is nothing to wait for"
    flow_control = _made_flow_control(events=4.0)
    flow_control.request_sent(4, 10.0)
    assert flow_control.wait(10.0, waiting=True) == pytest.approx(2.0 - 0.25)


def test_the_time_a_limit_costs_is_counted_for_it():
    """From one question to the next, and no longer than it bites."""
    flow_control = _made_flow_control(requests=2.0)
    flow_control.request_sent(1, 10.0)
    for now in (10.0, 10.5, 11.0, 20.0):
        flow_control.wait(now, waiting=True)
    waited = flow_control._metrics.rate_limited_seconds
    assert waited.labels("requests")._value.get() == pytest.approx(1.0)
    assert waited.labels("events")._value.get() == 0


def test_the_metrics_show_what_holds():
    """Concurrency, circuit and hold, as they are."""
    flow_control = _made_flow_control()

    def shown():
        flow_control.show()
        metrics = flow_control._metrics
        return [
            gauge._value.get() for gauge in (metrics.delivery_concurrency, metrics.circuit_open, metrics.delivery_held)
        ]

    assert flow_control._metrics.delivery_concurrency._value.get() == 2, "from the beginning"
    assert shown() == [2, 0, 0]
    _note(flow_control, AWAY, AWAY, AWAY)
    assert shown() == [1, 1, 0]
    _note(flow_control, Unauthorized("no"))
    assert shown() == [1, 0, 1]


def test_the_last_word_is_kept_with_its_time():
    """Good or bad, since when, and the newest words; a line at the beginning and at the end, a pair in a minute at most."""
    flow_control = _made_flow_control()
    standing = flow_control.standing
    with capture_logs() as logs:
        _note(flow_control, OK, now=10.0)
        _note(flow_control, OK, now=11.0)
        assert (standing.good, standing.since, standing.word) == (True, 10.0, "accepted")
        _note(flow_control, Transient("timeout"), now=20.0)
        _note(flow_control, AWAY, now=21.0)
        assert (standing.good, standing.since, standing.word) == (False, 20.0, "AEP answered 503: busy")
        _note(flow_control, OK, now=30.0)
        _note(flow_control, AWAY, now=79.0)
        assert len(logs) == 2, "one pair a minute"
        flow_control.tick(79.9)
        flow_control.tick(80.0)
        flow_control.tick(200.0)
        _note(flow_control, Answered([ACCEPTED]), now=201.0)
    assert [(line["event"], line.get("for_seconds"), line.get("after_seconds")) for line in logs] == [
        ("destination_fails", 0.0, None),
        ("destination_recovered", None, 10.0),
        ("destination_fails", 1.0, None),
        ("destination_recovered", None, 122.0),
    ]


def test_the_next_try_is_told_in_seconds_until_it_is_due():
    """A pause of less than a second too."""
    flow_control = _made_flow_control()
    assert flow_control.next_try(10.0) == "next try now"
    _note(flow_control, Throttled(429, 7.4))
    assert flow_control.next_try(10.0) == "next try in 7 s"
    assert flow_control.next_try(16.5) == "next try in 1 s"
    assert flow_control.next_try(17.4) == "next try now"
