"""Workers and brokers are killed, stopped and joined while events flow: every event is counted."""

import signal
import time

import pytest
from oracle import Rig, uuid_of
from processes import eventually

pytestmark = pytest.mark.kafka


@pytest.fixture
def rig(kafka, topic, tmp_path):
    with Rig(kafka, topic, tmp_path) as rig:
        yield rig


def test_sigterm_during_a_hanging_request(rig):
    """SIGTERM while AEP does not answer: exit within the drain budget, nothing committed that is not delivered, nothing lost."""
    first = rig.worker("first", BRIDGE_WORKER__DRAIN_SECONDS="3")
    rig.produce(range(200))
    rig.wait_drained()
    rig.emulator.control(hang={"for_seconds": 60})
    rig.produce(range(200, 500))
    eventually(lambda: first.metric("bridge_delivery_in_flight") >= 1, within=10, what="a request hangs")
    begun = time.monotonic()
    first.terminate()
    assert first.wait(10) == 1, "it says that work was left"
    assert time.monotonic() - begun < 3 + 2
    assert rig.lag() == 300, "what hung is not committed"
    rig.emulator.control(clear_faults=True)
    rig.worker("second")
    rig.wait_drained()
    account = rig.account()
    assert len(account.accepted) == 500
    assert account.letters == []


def test_sigterm_finishes_what_is_under_way(rig):
    """SIGTERM while events flow: exit 0, and what was delivered is committed: the next worker repeats nothing."""
    rig.emulator.control(latency_seconds=0.3)
    first = rig.worker("first", BRIDGE_AEP__BATCH_EVENTS="200")
    rig.produce(range(5_000))
    eventually(lambda: first.metric("bridge_delivered_events_total") >= 400, within=20, what="events flow")
    first.terminate()
    assert first.wait(25) == 0
    assert rig.lag() == 5_000 - len(rig.emulator.accepted())
    rig.emulator.control(clear_faults=True)
    rig.worker("second")
    rig.wait_drained()
    account = rig.account()
    assert len(account.accepted) == 5_000
    assert account.duplicates == 0


def test_kill_9_in_the_middle(rig):
    """SIGKILL while events flow: nothing is lost, and only what was not committed yet is sent again."""
    rig.emulator.control(latency_seconds=0.05)
    first = rig.worker("first", BRIDGE_AEP__BATCH_EVENTS="100", BRIDGE_WORKER__MAX_IN_FLIGHT_EVENTS="2000")
    rig.produce(range(10_000))
    eventually(lambda: first.metric("bridge_delivered_events_total") >= 2_000, within=30, what="events flow")
    first.kill9()
    assert rig.lag() > 0, "it was killed in the middle"
    rig.emulator.control(clear_faults=True)
    rig.worker("second")
    rig.wait_drained()
    account = rig.account()
    assert len(account.accepted) == 10_000
    assert account.conflicts == 0
    # What may be sent again: in flight at the kill, and acknowledged in the last commit interval (0.3 s).
    assert account.duplicates <= 2_000 + 4_000


def test_two_workers_share_and_one_is_killed(rig):
    """Two workers share the partitions; one is killed, the other takes over: nothing is lost."""
    rig.emulator.control(latency_seconds=0.05)
    settings = {"BRIDGE_AEP__BATCH_EVENTS": "100", "BRIDGE_WORKER__MAX_IN_FLIGHT_EVENTS": "2000"}
    first = rig.run("worker", name="first", **settings)
    second = rig.run("worker", name="second", **settings)
    first.wait_ready()
    second.wait_ready()
    rig.produce(range(8_000))
    for worker in (first, second):
        eventually(lambda worker=worker: worker.metric("bridge_delivered_events_total") > 0, within=30, what="both deliver")
    first.kill9()
    rig.produce(range(8_000, 9_000))
    rig.wait_drained(90)
    account = rig.account()
    assert len(account.accepted) == 9_000
    assert account.letters == []


def test_a_worker_joins_while_events_flow(rig):
    """A rebalance in the middle hands partitions over; the new worker delivers too, and nothing is lost."""
    rig.emulator.control(latency_seconds=0.05)
    settings = {"BRIDGE_AEP__BATCH_EVENTS": "100", "BRIDGE_WORKER__MAX_IN_FLIGHT_EVENTS": "2000"}
    rig.worker("first", **settings)
    rig.produce(range(10_000))
    second = rig.worker("second", **settings)
    eventually(lambda: second.metric("bridge_delivered_events_total") > 0, within=30, what="the second delivers")
    rig.wait_drained()
    account = rig.account()
    assert len(account.accepted) == 10_000
    assert account.letters == []


def test_restart_resumes_from_the_committed_offsets(rig):
    """A clean stop and a start: what was delivered is not sent again, what came meanwhile is."""
    first = rig.worker("first")
    rig.produce(range(1_000))
    rig.wait_drained()
    assert first.stop(grace=25) == 0
    rig.produce(range(1_000, 1_500))
    assert rig.lag() == 500
    rig.worker("second")
    rig.wait_drained()
    account = rig.account()
    assert set(account.accepted) == {uuid_of(number) for number in range(1_500)}
    assert account.duplicates == 0


def test_a_second_signal_leaves_at_once(rig):
    """Whoever cannot wait for the drain sends SIGTERM again."""
    worker = rig.worker()
    rig.emulator.control(hang={"for_seconds": 60})
    rig.produce(range(100))
    eventually(lambda: worker.metric("bridge_delivery_in_flight") >= 1, within=10, what="a request hangs")
    worker.terminate()
    eventually(lambda: '"draining"' in worker.tail(200), within=5, what="it drains")
    begun = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.wait(5) != 0
    assert time.monotonic() - begun < 2
    assert rig.lag() == 100


def test_the_broker_is_restarted_under_load(kafka_broker, rig):
    """kill -9 and restart of the broker: the receiver answers 503 meanwhile, and what it answered 200 for arrives."""
    rig.receiver(BRIDGE_RECEIVER__CONFIRM_TIMEOUT_SECONDS="2")
    rig.worker()
    rig.post_numbers(range(500))
    kafka_broker.kill9()
    from oracle import batch, event

    answer = rig.post(batch(event(number) for number in range(500, 600)))
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    kafka_broker.start()

    def again() -> bool:
        return rig.post(batch(event(number) for number in range(500, 600))).status_code == 200

    eventually(again, within=60, what="the receiver confirms again", every=1)
    rig.post_numbers(range(600, 1_000))
    rig.wait_drained(90)
    assert len(rig.account().accepted) == 1_000
