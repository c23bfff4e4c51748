"""The judge sees what it must see: a planted loss, change, duplicate, invention and unexplained dead letter."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise

import orjson
import psutil
import pytest
from checkout import ROOT
from counting import REFUSAL, DeadLetter, envelope, expected, is_deliverable, judge
from faults import KINDS, LANES, schedule, steady
from foresight import Foresight, digests
from guarded_mapping import TEXT, guarded_builder, write_guarded

from bridge.emulators.adobe import fingerprint
from bridge.model.event import Refusal
from bridge.routes.event_builder import load_builder
from bridge.settings import Settings
from bridge.sources.moengage.envelopes import events_of
from bridge.testing.later_refusals import CODE
from bridge.testing.numbered_events import event, uuid_of
from bridge.testing.processes import eventually

SENT = 200


@pytest.fixture(scope="module")
def builder():
    """Our own mapping."""
    return load_builder(Settings())[0]


def _letter(number, builder, **headers):
    (found,) = events_of(envelope([number]))
    if isinstance(found, Refusal):
        value, stage, code = envelope([number]), "receive", found.code
    else:
        rejection = builder.build(found).rejection
        value, stage, code = (
            (found, "deliver", "aep_400") if rejection is None else (found, rejection.stage, rejection.code)
        )
    told = {"bridge.stage": str(stage), "bridge.code": code, "bridge.reason": f"AEP answered 400: {REFUSAL}"}
    return DeadLetter(orjson.dumps(value), told | headers)


@pytest.fixture
def arrived(builder):
    """A run in which every promise was kept: number 3 was refused by AEP, and the two that cannot pass are set aside."""
    accepted = {}
    for number in range(SENT):
        if is_deliverable(number) and number != 3:
            (found,) = events_of(envelope([number]))
            accepted[uuid_of(number)] = (1, bytes.fromhex(fingerprint(builder.build(found).xdm)))
    return accepted, [_letter(number, builder) for number in (3, 77, 177)]


def test_kept_promises_are_not_complained_about(builder, arrived):
    """Nothing is wrong where nothing is wrong, and everything is counted."""
    findings = judge(set(range(SENT)), SENT, *arrived, builder)
    assert findings.wrong == {}
    assert (findings.promised, findings.accepted, findings.dead_letters, findings.duplicates) == (SENT, SENT - 3, 3, 0)


def test_a_planted_loss_is_found(builder, arrived):
    """An event that was promised and is nowhere is lost; one that was not promised may be nowhere."""
    accepted, letters = arrived
    del accepted[uuid_of(10)], accepted[uuid_of(11)]
    findings = judge(set(range(SENT)) - {11}, SENT, accepted, letters, builder)
    assert findings.wrong == {"lost": [10]}


def _came_back(number, builder, form="event"):
    """The letter of an event that AEP took, and refused later."""
    (found,) = events_of(envelope([number]))
    value = found if form == "event" else builder.build(found).xdm
    told = {"bridge.stage": "ingest", "bridge.code": CODE, "bridge.reason": "…", "bridge.form": form}
    return DeadLetter(orjson.dumps(value), told)


@pytest.fixture
def refused_later(builder):
    """Events 275 to 279, of which AEP refuses 277 after its 200: what its inlet took, and what its dataset has."""
    accepted = dict(
        zip(map(uuid_of, range(275, 280)), ((1, one) for one in expected(range(275, 280), builder)), strict=True)
    )
    return accepted, set(accepted) - {uuid_of(277)}


@pytest.mark.parametrize("form", ["event", "xdm"])
def test_what_aep_refuses_later_is_kept_by_its_dead_letter(builder, refused_later, form):
    """In the dataset, or come back: nothing is wrong, and nothing is counted twice."""
    accepted, dataset = refused_later
    findings = judge({275, 277}, 280, accepted, [_came_back(277, builder, form)], builder, dataset=dataset)
    assert (findings.wrong, findings.duplicates) == ({}, 0)


def test_what_aep_took_and_nobody_has_is_lost(builder, refused_later):
    """A 200 of AEP's inlet is no arrival: without a letter, or missing in the dataset, the event is lost."""
    accepted, dataset = refused_later
    findings = judge(range(275, 280), 280, accepted, [], builder, dataset=dataset - {uuid_of(276)})
    assert findings.wrong == {"lost": [276, 277]}


def test_what_comes_back_for_no_reason_is_found(builder, refused_later):
    """A letter of an event that AEP keeps, one that was changed, one of nobody's event; and one that came back too often."""
    accepted, dataset = refused_later
    changed = _came_back(277, builder, "xdm")
    changed = DeadLetter(changed.value.replace(b"Refused later", b"Refused  later"), changed.headers)
    foreign = DeadLetter(b'{"_id":"x"}', changed.headers)
    for wrong in (_came_back(276, builder), _came_back(276, builder, "xdm"), changed, foreign):
        assert len(judge({275}, 280, accepted, [wrong], builder, dataset=dataset).unexplained) == 1
    twice = [_came_back(277, builder)] * 2
    assert judge({277}, 280, accepted, twice, builder, dataset=dataset).duplicates == 1
    accepted[uuid_of(277)] = (2, accepted[uuid_of(277)][1])
    assert judge({277}, 280, accepted, twice, builder, dataset=dataset).repeated_in_dead_letters == 0


def test_a_lost_dead_letter_is_found(builder, arrived):
    """An event that cannot pass is lost when it does not lie in the dead letters."""
    accepted, letters = arrived
    assert judge(set(range(SENT)), SENT, accepted, letters[:1], builder).wrong == {"lost": [77, 177]}


def test_a_planted_change_is_found(builder, arrived):
    """A payload that is not what the mapping makes of the event is a change."""
    accepted, letters = arrived
    accepted[uuid_of(10)] = accepted[uuid_of(11)]
    assert judge(set(range(SENT)), SENT, accepted, letters, builder).wrong == {"changed": [10]}


def test_an_event_that_must_not_pass_is_found(builder, arrived):
    """What the mapping rejects has no payload that would be right."""
    accepted, letters = arrived
    accepted[uuid_of(77)] = accepted[uuid_of(11)]
    assert judge(set(range(SENT)), SENT, accepted, letters, builder).wrong == {"changed": [77]}


def test_planted_duplicates_are_counted(builder, arrived):
    """Accepted three times, set aside twice, both accepted and set aside: each end beyond the first counts."""
    accepted, letters = arrived
    accepted[uuid_of(10)] = (3, accepted[uuid_of(10)][1])
    letters = [*letters, _letter(77, builder), _letter(12, builder)]
    findings = judge(set(range(SENT)), SENT, accepted, letters, builder)
    assert findings.wrong == {}
    assert (findings.repeated_by_aep, findings.repeated_in_dead_letters, findings.duplicates) == (2, 2, 4)


def test_an_invention_is_found(builder, arrived):
    """AEP has an event that nobody posted."""
    accepted, letters = arrived
    accepted["nobody"] = accepted[uuid_of(SENT)] = (1, bytes(8))
    assert judge(set(range(SENT)), SENT, accepted, letters, builder).wrong == {"invented": ["nobody", uuid_of(SENT)]}


@pytest.mark.parametrize(
    ("number", "headers"),
    [
        (3, {"bridge.reason": "a reason of the bridge's own"}),
        (3, {"bridge.stage": "map"}),
        (77, {"bridge.code": "x"}),
        (177, {"bridge.stage": "map"}),
    ],
)
def test_a_dead_letter_without_a_reason_of_ours_is_found(builder, arrived, number, headers):
    """Setting events aside to be rid of them is not keeping the promise."""
    accepted, letters = arrived
    kept = [letter for letter, which in zip(letters, (3, 77, 177), strict=True) if which != number]
    findings = judge(set(range(SENT)), SENT, accepted, [*kept, _letter(number, builder, **headers)], builder)
    assert list(findings.wrong) == ["unexplained"]


def test_a_changed_dead_letter_is_found(builder, arrived):
    """A dead letter must hold the event as it came."""
    accepted, letters = arrived
    document = orjson.loads(letters[0].value)
    document["event_attributes"]["campaign_id"] = "another"
    changed = DeadLetter(orjson.dumps(document), letters[0].headers)
    assert list(judge(set(range(SENT)), SENT, accepted, [changed, *letters[1:]], builder).wrong) == ["unexplained"]


def test_a_seed_repeats_its_schedule_and_the_deck_deals_every_kind():
    """Equal seeds give equal schedules, others others; half an hour has every kind of fault."""
    long = schedule(7, 1_800, gaps=(1, 12))
    assert long == schedule(7, 1_800, gaps=(1, 12))
    assert long != schedule(8, 1_800, gaps=(1, 12))
    assert {planned.kind for planned in long} == set(KINDS)
    short = schedule(7, None, gaps=(0.1, 0.8), pace=0.3)
    assert sorted(planned.kind for planned in short) == sorted(name for name, kind in KINDS.items() if kind.brief)
    for lane in LANES:
        own = [planned for planned in long if planned.lane == lane]
        assert all(later.at >= earlier.at + earlier.seconds for earlier, later in pairwise(own))


def test_a_steady_run_deals_every_kind_that_processes_survive():
    """One fault a minute, none in the last one, nothing that ends a worker or the receiver; a seed repeats it."""
    hour = steady(7, 3_600, every=60)
    assert hour == steady(7, 3_600, every=60)
    assert {planned.kind for planned in hour} == {name for name, kind in KINDS.items() if kind.spares}
    assert [planned.at for planned in hour] == [60.0 * turn for turn in range(1, 60)]
    assert not {"worker_kill9", "worker_sigterm", "worker_storm", "receiver_kill9"} & {each.kind for each in hour}


def test_foresight_sees_what_the_judge_would_work_out(builder, arrived):
    """A process of its own comes to the same digests, and the judge to the same findings with them."""
    with Foresight() as foresight:
        foresight.reach(10)
        assert list(foresight.of(SENT)) == list(expected(range(SENT), builder))
        assert judge(set(range(SENT)), SENT, *arrived, builder, digests=foresight.of(SENT)).wrong == {}
    assert digests(75, 79)[16:24] == bytes(8)


def test_foresight_ends_with_the_run():
    """A run that is killed in the middle of the work leaves no process of its judge behind."""
    script = (
        "import time; from foresight import Foresight\n"
        "foresight = Foresight(); print(foresight._pid.result(), flush=True)\n"
        "foresight.reach(1_000_000); time.sleep(60)"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "chaos")])
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    ) as run:
        judge = psutil.Process(int(run.stdout.readline()))
        run.kill()

    def is_gone():
        try:
            return not judge.is_running() or judge.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:  # between the two questions
            return True

    eventually(is_gone, within=30, what="the judge is gone")


def test_an_event_that_is_hard_to_match_is_refused_alone_and_explained(tmp_path, arrived):
    """The run's set maps every other event as the shipped one does, and a short text of the same kind too."""
    path = tmp_path / "guarded.csv"
    write_guarded(path)
    builder, plain = guarded_builder(path), load_builder(Settings())[0]
    assert list(expected(range(SENT), builder)) == list(expected(range(SENT), plain))
    (short,) = events_of({"events": [event(3, search=TEXT[:100])]})
    assert builder.build(short).rejection is None
    (canonical,) = events_of(envelope([3], {3}))
    rejection = builder.build(canonical).rejection
    assert "can take this regular expression for ever" in rejection.reason
    accepted, letters = arrived[0], arrived[1][1:]
    headers = {"bridge.stage": str(rejection.stage), "bridge.code": rejection.code, "bridge.reason": rejection.reason}
    letter = DeadLetter(orjson.dumps(canonical), headers)
    assert judge(set(range(SENT)), SENT, accepted, [*letters, letter], builder, backtracking={3}).wrong == {}
    assert judge(set(range(SENT)), SENT, accepted, letters, builder, backtracking={3}).wrong == {"lost": [3]}
