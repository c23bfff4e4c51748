"""What delivery says of what waits: who is held up, and whether more events are wanted to show whose fault a failure is."""

import pytest
from virtual_delivery import OK, Destination, Resolutions, events

from bridge.delivery.batching import Batch, Run
from bridge.delivery.delivery import Delivery
from bridge.delivery.waiting import Shipment
from bridge.model.delivery_policy import DeliveryPolicy
from bridge.model.verdicts import Transient
from bridge.telemetry.metrics import Metrics

NOW = 1_000.0


class _Clock:
    now = NOW

    def __call__(self):
        return self.now


def _made(**policy):
    clock, resolutions = _Clock(), Resolutions()
    delivery = Delivery(Destination(lambda *_: OK), resolutions, DeliveryPolicy(**policy), Metrics(), clock=clock)
    return delivery, resolutions, clock


def _failed(owner="o", *, tries=1, passed=0, since=NOW - 20):
    """A request of one event that has failed so often, ``passed`` times beside others that were taken."""
    batch = Batch(0, 10, NOW - 30, events(0, 1), [Run(owner, 0, 1)], [5])
    return Shipment(batch, due=NOW + 50, tries=tries, passed=passed, since=since)


def test_what_failed_a_few_times_is_not_held_up():
    """Only what the destination keeps postponing while it takes others is named, the longest first; nobody asks for what is gone."""
    delivery, resolutions, _ = _made()
    first, second, gone = (
        _failed(owner, tries=40, passed=40, since=NOW - age) for owner, age in (("a", 300), ("b", 400), ("c", 500))
    )
    resolutions.lost.add("c")
    delivery._waiting.put_back([_failed(), first, second, gone])
    assert delivery.held_up() == [second, first]
    assert delivery.events == 4
    assert not delivery.only_postponed
    delivery.tick()
    assert delivery.held == 2


def test_a_drain_does_not_wait_for_what_is_only_postponed():
    """The last event that is left is one that has been postponed for ever; with nothing left there is nothing to wait for either."""
    delivery, *_ = _made()
    assert not delivery.only_postponed
    delivery._waiting.put_back([_failed(tries=40, passed=40)])
    assert delivery.only_postponed
    delivery._carried = 1
    assert not delivery.only_postponed


@pytest.mark.parametrize("by_key", [False, True])
def test_more_events_are_wanted_while_only_failures_are_here(by_key):
    """Neither while something new is under way, which will tell by itself, nor while something new waits that may leave."""
    delivery, _, clock = _made(by_key=by_key)
    assert delivery.evidence(ahead=False) == 0
    delivery._waiting.put_back([_failed()])
    assert delivery.evidence(ahead=False) == 1
    delivery._under_way["request"] = _failed(tries=2), NOW
    assert delivery.evidence(ahead=False) == 1
    delivery._under_way["another"] = _failed(tries=0), NOW
    assert delivery.evidence(ahead=False) == 0
    del delivery._under_way["another"]
    clock.now += 600
    delivery.offer("new", events(100, 1), [33])
    assert delivery.evidence(ahead=False) == 0


def test_what_was_asked_for_in_vain_is_asked_for_again_later():
    """Events that come are one round: during an outage they would only fill the memory."""
    delivery, _, clock = _made()
    delivery._waiting.put_back([_failed()])
    assert delivery.evidence(ahead=False) == 1
    delivery.offer("new", events(100, 50))
    assert delivery._waiting.next(NOW, force=True, fresh=True) is not None
    assert delivery.evidence(ahead=False) == 0
    clock.now += 2
    assert delivery.evidence(ahead=False) == 2


@pytest.mark.parametrize(("tries", "wanted"), [(0, 0), (1, 1), (30, 1)])
def test_what_is_named_as_postponed_needs_evidence_only_to_be_given_up(tries, wanted):
    """Held for ever it holds its partition; given up after some tries it must be seen to fail beside others."""
    delivery, *_ = _made(postponed_tries=tries)
    delivery._waiting.put_back([_failed(tries=40, passed=40)])
    assert len(delivery.held_up()) == 1
    assert delivery.evidence(ahead=False) == wanted


@pytest.mark.parametrize(("tries", "wanted"), [(0, 2), (1, 0)])
def test_something_new_that_is_taken_lets_more_be_asked_for_at_once(tries, wanted):
    """It shows whose fault it is, so that the search goes on; a retry that is taken shows nothing new."""
    delivery, *_ = _made()
    failed = _failed()
    delivery._waiting.put_back([failed])
    assert delivery.evidence(ahead=False) == 1
    delivery.offer("new", events(100, 50))
    new = delivery._waiting.next(NOW, force=True, fresh=True)
    new.tries = tries
    delivery._settle(new, OK, NOW, 1)
    failed.successes = delivery.flow_control.record.successes  # it has failed once more
    assert delivery.evidence(ahead=False) == wanted


def test_each_answer_is_shown():
    """Whoever looks at the metrics sees the open circuit, and its end, with the answer that brings it."""
    delivery, *_ = _made(circuit_threshold=1)
    delivery.offer("o", events(0, 50))
    shipment = delivery._waiting.next(NOW, force=True, fresh=True)
    shown = delivery._metrics.circuit_open._value.get
    delivery._settle(shipment, Transient("http_503"), NOW, 1)
    assert (shown(), delivery.events) == (1, 50)
    delivery._settle(delivery._waiting.next(NOW + 60, force=True, fresh=False), OK, NOW, 1)
    assert (shown(), delivery.events) == (0, 0)
