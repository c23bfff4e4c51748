"""Brokers that hold a partition are away while receiver and worker start: they wait and say it, and are at work once they are back."""

import contextlib
import json

import pytest
from confluent_kafka import KafkaException

from bridge.testing.kafka.admin import admin_client, create_topic
from bridge.testing.kafka.cluster import Cluster
from bridge.testing.processes import BridgeProcess, eventually, get

pytestmark = pytest.mark.kafka


def _leaders(bootstrap):
    with contextlib.suppress(KafkaException):  # it may have asked the broker that is away
        topic = admin_client(bootstrap).list_topics("events", timeout=5).topics["events"]
        return {partition.leader for partition in topic.partitions.values()}
    return set()


def _reasons(process):
    status, body = get(process.url + "/health/ready")
    return json.loads(body).get("reasons", {}) if status else {}


@pytest.mark.slow(45)
def test_a_start_without_a_leader_waits_and_is_told(tmp_path):
    """No process ends over it, none calls the topic missing; the log names the partition, and readiness comes with the broker."""
    with Cluster(tmp_path / "kafka") as cluster:
        create_topic(cluster.bootstrap, "events", partitions=3, replication=1)
        create_topic(cluster.bootstrap, "dead", partitions=1, replication=3)
        cluster.brokers[2].kill9()
        # The controller counts the broker among the leaders until its session is over.
        eventually(lambda: -1 in _leaders(cluster.bootstrap), within=60, what="a partition has no leader")
        settings = {
            "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": cluster.bootstrap,
            "BRIDGE_KAFKA__TOPIC": "events",
            "BRIDGE_KAFKA__DEAD_LETTER_TOPIC": "dead",
            "BRIDGE_KAFKA__CREATE_TOPICS": "false",
            "BRIDGE_RECEIVER__PORT": "0",
            "BRIDGE_RECEIVER__AUTH": "none",
            "BRIDGE_RECEIVER__HOST": "127.0.0.1",
            "BRIDGE_AEP__PAYLOAD": "raw",
            "BRIDGE_AEP__FLOW_ID": "flow",
            "BRIDGE_AEP__ENDPOINT": "http://127.0.0.1:1/collection/x",
            "BRIDGE_AEP__ORG_ID": "O@AdobeOrg",
            "BRIDGE_AEP__SANDBOX": "s",
            "BRIDGE_OAUTH__TOKEN_URL": "http://127.0.0.1:1/token",
            "BRIDGE_OAUTH__CLIENT_ID": "client",
            "BRIDGE_OAUTH__CLIENT_SECRET": "a-secret-of-tests",
            "BRIDGE_TELEMETRY__LOG_FORMAT": "json",
        }
        started = [
            BridgeProcess([name], settings, directory=tmp_path, name=name).start() for name in ("receiver", "worker")
        ]
        try:
            for process in started:
                eventually(lambda one=process: get(one.url + "/health/live")[0], within=60, what="it has started")
                eventually(
                    lambda one=process: "has no leader for partition" in one.tail(10_000),
                    within=20,
                    what="the log says it",
                )
                assert process.alive, process.tail()
                eventually(
                    lambda one=process: "kafka" in _reasons(one), within=10, what="it is not ready, and says why"
                )
            cluster.brokers[2].start()
            for process in started:
                eventually(
                    lambda one=process: get(one.url + "/health/ready")[0] == 200,
                    within=60,
                    what=f"{process.name} is ready",
                )
                assert "no such topic: events" not in process.tail(10_000)
        finally:
            for process in started:
                process.kill9()
