"""The promise as MoEngage sees it: what was answered 200 arrives, whichever process is killed or stopped meanwhile.

What a worker does alone when it is killed, stopped or joined is in test_worker_delivery.py.
"""

from datetime import datetime

import pytest

from bridge.testing.numbered_events import batch, event
from bridge.testing.processes import eventually
from bridge.testing.rig import Rig
from bridge.testing.sender import InsistentSender

pytestmark = pytest.mark.kafka


def _seconds_of_stop(process):
    """From the signal to the last line that it wrote, by its own clock."""
    lines = process.log_lines()
    begun = max(place for place, line in enumerate(lines) if line["event"] == "draining")
    first, last = (datetime.fromisoformat(line["timestamp"]) for line in (lines[begun], lines[-1]))
    return (last - first).total_seconds()


@pytest.fixture
def rig(kafka, topic, tmp_path):
    """Topics, an emulator and the processes of one test."""
    with Rig(kafka, topic, tmp_path, BRIDGE_WORKER__DRAIN_SECONDS="3", BRIDGE_AEP__BATCH_EVENTS="100") as rig:
        yield rig


@pytest.mark.slow(40)
def test_every_process_goes_down_in_turn_while_moengage_posts(rig):
    """Workers are killed, stopped in a hanging request, joined; the receiver is killed and stopped: every event arrives as it was."""
    rig.emulator.control(latency_seconds=0.02)
    receiver, first = rig.receiver(), rig.worker("first")
    with InsistentSender(rig) as sender:
        sender.wait_for(1_000)
        first.kill9()
        sender.wait_for(500)
        first.start()
        second = rig.worker("second")
        receiver.kill9()
        receiver.start()
        sender.wait_for(1_000)
        second.kill9()
        sender.wait_for(500)
        receiver.terminate()
        assert receiver.wait(15) == 0
        receiver.start()
        sender.wait_for(500)
        eventually(
            lambda: rig.lag() == 0 or len(rig.emulator.accepted()) > 2_000, within=30, what="events arrive again"
        )
        rig.emulator.control(hang={"for_seconds": 60})
        sender.wait_for(500)
        eventually(lambda: first.metric("bridge_delivery_in_flight") >= 1, within=60, what="a request hangs")
        first.terminate()
        first.wait(10)
        assert _seconds_of_stop(first) < 3 + 3, "out within the drain budget"
        rig.emulator.control(clear_faults=True)
        third = rig.worker("third")
        sender.wait_for(500)
    rig.wait_drained(90)
    account = rig.account()
    assert sender.resent > 0, "the receiver was away in between"
    assert len(rig.promised) == sender.confirmed
    assert account.letters == []
    assert account.conflicts == 0
    # A batch that was not confirmed may be in Kafka all the same, and comes again; so does what was under way at a kill.
    assert account.duplicates <= 3_000
    assert third.metric("bridge_delivered_events_total") > 0


def test_the_broker_is_killed_and_started_again(kafka_broker, rig):
    """Without Kafka the receiver answers 503 with Retry-After; with Kafka back everything that was answered 200 arrives."""
    rig.receiver(BRIDGE_RECEIVER__CONFIRM_TIMEOUT_SECONDS="2")
    worker = rig.worker()
    rig.post_numbers(range(500))
    kafka_broker.kill9()
    try:
        answer = rig.post(batch(event(number) for number in range(500, 600)))
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
    finally:
        kafka_broker.start()
    with InsistentSender(rig) as sender:
        sender.wait_for(1_000)
    rig.wait_drained(90)
    account = rig.account()
    assert len(account.accepted) >= 1_000
    assert account.letters == []
    assert worker.alive


def test_a_stopped_worker_is_resumed_where_it_was(rig):
    """A clean stop and a start: what was delivered is not sent again, what came meanwhile is; nothing is left on disk."""
    rig.receiver()
    first = rig.worker("first")
    rig.post_numbers(range(1_000))
    rig.wait_drained()
    delivered = rig.emulator.accepted()
    assert len(delivered) == 1_000
    assert first.stop(grace=25) == 0
    rig.post_numbers(range(1_000, 1_500))
    assert rig.lag() == 500
    rig.worker("second")
    rig.wait_drained()
    account = rig.account()
    assert len(account.accepted) == 1_500
    assert {identifier: account.accepted[identifier] for identifier in delivered} == delivered, "nothing is sent again"
    folders = [path.name for path in rig.directory.iterdir() if path.is_dir()]
    assert folders == [], "a container's file system is read-only: nothing may be written beside the log"
