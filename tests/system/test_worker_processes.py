"""``worker --processes N`` against a real Kafka, with real signals: one command, several processes, nothing lost, none left behind."""

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from bridge.testing.processes import eventually
from bridge.testing.rig import Rig
from bridge.testing.sender import InsistentSender

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.skipif(
        not sys.platform.startswith("linux"), reason="only Linux has /proc, where children are looked up"
    ),
]


@pytest.fixture
def rig(kafka, topic, tmp_path):
    """Topics, an emulator and the processes of one test."""
    with Rig(kafka, topic, tmp_path, BRIDGE_WORKER__DRAIN_SECONDS="4", BRIDGE_AEP__BATCH_EVENTS="100") as rig:
        yield rig


def _children(pid):
    """Process ids whose parent is ``pid``, the oldest first."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                found.append(int(path.parent.name))
    return sorted(found)


def _gone(pids):
    return not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def _group(rig, **settings):
    return rig.run("worker", "--processes", "2", name="group", **settings).wait_ready(60)


def test_children_are_killed_while_events_flow(rig):
    """Both processes work; one killed with -9 is started again; a SIGTERM drains both and exits 0: every event arrives, none is left."""
    rig.receiver()
    group = _group(rig)
    first = _children(group.pid)
    assert len(first) == 2
    with InsistentSender(rig) as sender:
        sender.wait_for(1_000)
        os.kill(first[0], signal.SIGKILL)
        eventually(lambda: _gone(first[:1]), within=10, what="the child is gone")
        eventually(lambda: len(_children(group.pid)) == 2, within=20, what="another was started")
        group.wait_ready(60)
        sender.wait_for(1_000)
    rig.wait_drained()
    metrics = group.metrics()
    for number in "01":
        assert metrics[f'bridge_worker_process_up{{process="{number}"}}'] == 1
        assert metrics[f'bridge_delivered_events_total{{process="{number}"}}'] > 0
    assert group.metric("bridge_worker_process_restarts_total") == 1
    # The processes look every second.
    eventually(lambda: group.metric("bridge_kafka_lag") == 0, within=10, what="the processes see that lag is zero")
    shown = rig.run("status", "--url", group.url, "--json", "--seconds", "0", name="status")
    assert shown.wait(60) == 0
    told = json.loads(shown.log.read_text())
    assert told["ready"] is True
    assert told["processes"] == {"0": True, "1": True}
    assert list(told["lag"].values()) == [0] * 6
    second = _children(group.pid)
    group.terminate()
    assert group.wait(30) == 0, group.tail()
    assert _gone(second)
    account = rig.account()
    assert len(account.accepted) == sender.confirmed
    lines = group.log_lines()
    (ended,) = [line for line in lines if line["event"] == "worker_process_ended"]
    assert (ended["exit_code"], ended["level"]) == (-9, "error")
    finished = [line["process"] for line in lines if line["event"] == "stopped"]
    assert sorted(finished) == [0, 1]


@pytest.mark.slow(30)
def test_parent_killed_leaves_no_orphan(rig):
    """The parent killed with -9: its processes finish what they have begun and end by themselves; the next ones lose and miss nothing."""
    rig.receiver()
    group = _group(rig)
    children = _children(group.pid)
    with InsistentSender(rig) as sender:
        sender.wait_for(800)
        group.kill9()
        eventually(lambda: _gone(children), within=4 + 10, what="no orphan is left")
        group.start().wait_ready(60)
        sender.wait_for(500)
    rig.wait_drained()
    account = rig.account()
    assert len(account.accepted) == sender.confirmed
    # They drained: what was under way is not done again.
    assert account.duplicates == 0
    assert "parent_gone" in group.log.read_text()


def test_orphans_that_hang_are_ended_by_force(rig):
    """AEP hangs and the parent is killed: its processes are gone within the drain budget and a few seconds."""
    group = _group(rig)
    rig.emulator.control(hang={"for_seconds": 60})
    rig.produce(range(600))
    eventually(lambda: group.metric("bridge_delivery_in_flight") >= 1, within=20, what="a request hangs")
    children = _children(group.pid)
    group.kill9()
    eventually(lambda: _gone(children), within=4 + 14, what="no orphan is left")
    rig.emulator.control(clear_faults=True)
    group.start().wait_ready(60)
    rig.wait_drained()
    rig.account()


@pytest.mark.parametrize("whole", [False, True])
def test_a_second_signal_ends_all_at_once(rig, whole):
    """While AEP hangs: the first signal drains, also when a terminal signals the whole process group; the second ends every process, with 128 and its number."""
    group = _group(rig, BRIDGE_WORKER__DRAIN_SECONDS="30")
    rig.emulator.control(hang={"for_seconds": 60})
    rig.produce(range(600))
    eventually(lambda: group.metric("bridge_delivery_in_flight") >= 1, within=20, what="a request hangs")
    children = _children(group.pid)
    send = (lambda: os.killpg(group.pid, signal.SIGINT)) if whole else group.terminate
    send()
    # The kernel makes one of two signals that nobody has taken yet.
    group.wait_logged("worker_processes_stop")
    group.wait_logged("draining", count=2)
    time.sleep(1.0)
    assert _children(group.pid) == children, "the first is no reason to leave"
    begun = time.monotonic()
    send()
    assert group.wait(15) == 128 + (signal.SIGINT if whole else signal.SIGTERM)
    eventually(lambda: _gone(children), within=10, what="every process has gone")
    assert time.monotonic() - begun < 15, "the budget is 30 s"


@pytest.mark.slow(30)
def test_a_start_that_cannot_succeed_ends_the_command(rig):
    """A topic that does not exist: tried a few times, then the exit code and the message of the processes; no loop."""
    group = rig.run("worker", "--processes", "2", name="group", BRIDGE_KAFKA__TOPIC="no-such-topic")
    assert group.wait(180) == 1
    told = group.tail(1_000)
    assert "no-such-topic" in told
    assert [line["exit_code"] for line in group.log_lines() if line["event"] == "worker_processes_given_up"] == [1]


def test_wrong_settings_are_told_once(rig):
    """What the parent can see itself is wrong before any process starts: one message, as with one worker; also from the setting."""
    group = rig.run("worker", name="group", BRIDGE_WORKER__PROCESSES="3", BRIDGE_MAPPING__PATH="no-such-file.csv")
    assert group.wait(60) == 1
    assert group.tail().count("\nerror:") + group.tail().startswith("error:") == 1
    assert "no-such-file.csv" in group.tail()
