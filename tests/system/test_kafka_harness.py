"""The test broker itself: what the other integration tests lean on."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.helpers import create_ssl_context
from checkout import ROOT

from bridge.testing.kafka.admin import admin_client, create_topic
from bridge.testing.kafka.broker import Broker
from bridge.testing.kafka.cluster import Cluster
from bridge.testing.kafka.node_properties import PASSWORD, USERNAME
from bridge.testing.numbered_events import uuid_of
from bridge.testing.processes import eventually
from bridge.testing.rig import Rig

pytestmark = pytest.mark.kafka


async def _round_trip(topic: str, **connection) -> list[bytes]:
    producer = AIOKafkaProducer(acks="all", **connection)
    await producer.start()
    try:
        for number in range(5):
            await producer.send_and_wait(topic, b"%d" % number, partition=0)
    finally:
        await producer.stop()
    consumer = AIOKafkaConsumer(topic, auto_offset_reset="earliest", **connection)
    await consumer.start()
    try:
        return [(await consumer.getone()).value for _ in range(5)]
    finally:
        await consumer.stop()


async def test_a_topic_takes_and_gives_back_records(kafka, topic):
    """Aiokafka speaks to this version of Apache Kafka."""
    assert await _round_trip(topic(), bootstrap_servers=kafka) == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_sasl_listener(kafka_broker, topic, mechanism):
    """Each SASL mechanism lets the right password in."""
    records = await _round_trip(
        topic(),
        bootstrap_servers=kafka_broker.sasl_bootstrap,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism=mechanism,
        sasl_plain_username=USERNAME,
        sasl_plain_password=PASSWORD,
    )
    assert len(records) == 5


async def test_tls_listener_wants_a_client_certificate(kafka_broker, topic):
    """Mutual TLS with the harness's own authority."""
    made = kafka_broker.certificates
    context = create_ssl_context(cafile=made.ca, certfile=made.client_certificate, keyfile=made.client_key)
    records = await _round_trip(
        topic(), bootstrap_servers=kafka_broker.ssl_bootstrap, security_protocol="SSL", ssl_context=context
    )
    assert len(records) == 5


def test_unknown_topics_are_not_created_on_the_fly(kafka):
    """Asking for a topic does not make one: a missing topic stays an error."""
    admin = admin_client(kafka)
    assert admin.list_topics("no-such-topic", timeout=10).topics["no-such-topic"].error is not None
    assert "no-such-topic" not in admin.list_topics(timeout=10).topics


async def test_data_survives_kill_and_restart(tmp_path, kafka_broker):
    """Kill -9 and a restart on the same data keep acknowledged records and the address."""
    with Broker(tmp_path / "one") as broker:
        create_topic(broker.bootstrap, "kept", partitions=1)
        assert len(await _round_trip("kept", bootstrap_servers=broker.bootstrap)) == 5
        broker.restart(kill=True)
        assert len(await _round_trip("kept", bootstrap_servers=broker.bootstrap)) == 5
        broker.pause()
        broker.resume()
        assert broker.alive
    assert not broker.alive


def _runs(pid: int) -> bool:
    """Also one that has ended, and that nobody has asked for its exit code yet, has no command line."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_broker_dies_with_the_process_that_started_it(tmp_path, kafka_broker):
    """A test run that is killed leaves no JVM behind."""
    script = (
        "import sys, time; from pathlib import Path; from bridge.testing.kafka.broker import Broker\n"
        "broker = Broker(Path(sys.argv[1])).start(wait=False)\n"
        "print(broker._child.pid, flush=True); time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with child:
        pid = int(child.stdout.readline())
        time.sleep(0.5)
        child.kill()
    eventually(lambda: not _runs(pid), within=10, what="the JVM is gone")


@pytest.mark.slow
async def test_three_nodes_lose_one_and_go_on(tmp_path, kafka_broker):
    """A cluster of three with replication 3 and two in-sync replicas takes writes with one node killed."""
    with Cluster(tmp_path) as cluster:
        create_topic(cluster.bootstrap, "kept", partitions=3, replication=3)
        cluster.brokers[0].kill9()
        assert len(await _round_trip("kept", bootstrap_servers=cluster.bootstrap)) == 5


def test_the_oracle_notices_what_is_lost_and_what_is_invented(kafka, topic, tmp_path):
    """The account of the other tests fails when a promised event is nowhere, and when AEP has one that nobody sent."""
    with Rig(kafka, topic, tmp_path) as rig:
        rig.receiver()
        rig.worker()
        rig.post_numbers(range(10))
        rig.wait_drained()
        assert len(rig.account().accepted) == 10
        rig.promised.add("promised-and-lost")
        with pytest.raises(AssertionError, match="1 of 11 events are lost"):
            rig.account()
        rig.promised.remove("promised-and-lost")
        known = rig.sent.pop(uuid_of(3))
        with pytest.raises(AssertionError, match="nobody sent"):
            rig.account()
        rig.sent[uuid_of(3)] = known | {"event_name": "Something else"}
        with pytest.raises(AssertionError, match="has changed"):
            rig.account()
