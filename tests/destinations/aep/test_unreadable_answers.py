"""Answers that never can be read: an end to it for one event, a hold for all, and never a guess."""

import asyncio

from structlog.testing import capture_logs
from virtual_delivery import OK, events, feed, run, settle

from bridge.destinations.aep.answers import read_answer
from bridge.model.verdicts import ACCEPTED, Answered, Mismatched


def test_one_event_whose_answers_never_fit_becomes_a_dead_letter():
    """Bisected until it is alone, tried while others are taken, then a dead letter with the reason; no neighbour suffers."""

    def answer(items, _number):
        return read_answer(207, {}, b'{"responses": [{}]}', len(items), now=0.0) if b"00033" in items else OK

    async def work(delivery, _destination, _resolutions):
        delivery.offer(0, events(0, 50))
        for owner in range(1, 300):
            delivery.offer(owner, events(owner * 100, 20))
            await asyncio.sleep(0.5)
        await settle(delivery)
        assert not delivery.events

    destination, resolutions, _ = run(answer, work)
    assert [(owner, place, code) for owner, place, code, _ in resolutions.dead] == [(0, 33, "answer_mismatched")]
    assert sum(resolutions.done.values()) == 49 + 299 * 20
    assert set(destination.accepted.values()) == {1}


def test_while_no_answer_can_be_read_delivery_holds_and_says_so():
    """Every 207 is all ``{}`` for ten minutes: circuit open with the reason, few requests, no dead letter; then all goes on."""

    def answer(items, _number):
        if asyncio.get_running_loop().time() < 1_600:
            return read_answer(
                207, {}, b'{"responses": [' + b",".join([b"{}"] * len(items)) + b"]}", len(items), now=0.0
            )
        return OK

    seen = []

    async def work(delivery, destination, resolutions):
        feeding = asyncio.create_task(feed(200, owners=2)(delivery, destination, resolutions))
        await asyncio.sleep(300)
        seen.append((delivery.blocked, delivery.flow_control.trouble, delivery.flow_control.refusal))
        await feeding
        seen.append((delivery.blocked, delivery.flow_control.trouble, delivery.flow_control.refusal))

    with capture_logs() as logs:
        destination, resolutions, metrics = run(answer, work)
    held = "the destination gives answers that cannot be read, circuit open: response 0 has neither a transaction nor a status"
    assert seen == [(True, held, ""), (False, "", "")]
    assert [line["why"] for line in logs if line["log_level"] == "error"] == [held]
    assert not resolutions.dead
    assert resolutions.done == {0: 200, 1: 200}
    assert len([at for at, _ in destination.requests if at < 1_600]) < 150
    assert metrics.retries.labels("mismatched")._value.get() > 10


def test_verdicts_of_another_number_than_events_are_an_answer_that_does_not_fit():
    """A destination that answers for too few events is not believed for any of them."""

    def answer(items, number):
        return Answered([ACCEPTED] * (len(items) - 1)) if number < 2 else OK

    _, resolutions, metrics = run(answer, feed(50))
    assert resolutions.done == {0: 50}
    assert metrics.retries.labels("mismatched")._value.get() == 2


def test_a_single_event_alone_with_unreadable_answers_is_held():
    """With nothing to compare with, it may be the service: held for an hour, no dead letter."""

    async def work(delivery, _destination, resolutions):
        delivery.offer(0, events(0, 1))
        await asyncio.sleep(3_600)
        assert not resolutions.dead
        assert delivery.events == 1
        assert delivery.flow_control.circuit.open

    run(lambda *_: Mismatched("odd"), work)
