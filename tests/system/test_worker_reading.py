"""A worker and what lies in the topic that cannot be read, is gone, or is not meant to be read."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

import orjson
import pytest
from confluent_kafka import KafkaException, Producer, TopicPartition
from unreadable_records import mend, rot, send_numbered_alike, send_with_bad_header

from bridge.testing.kafka.admin import admin_client, create_topic
from bridge.testing.numbered_events import by_id, event
from bridge.testing.processes import eventually, get
from bridge.testing.rig import Rig

pytestmark = pytest.mark.kafka


def _ident(number):
    return next(iter(by_id(event(number))))


def _write(rig, numbers, partition, **settings):
    producer = Producer({"bootstrap.servers": rig.bootstrap, "acks": "all", **settings})
    for number in numbers:
        document = event(number)
        producer.produce(rig.topic, value=orjson.dumps(document), key=document["uid"], partition=partition)
        producer.poll(0)
    assert producer.flush(20) == 0


def _reasons(worker):
    status, body = get(worker.url + "/health/ready")
    return json.loads(body).get("reasons", {}) if status else {}


def _errors(worker, event):
    return [line for line in worker.log_lines() if line["event"].startswith(event)]


def test_a_batch_that_rots_on_the_disk_costs_the_other_partitions_nothing(kafka_broker, kafka, topic, tmp_path):
    """Every event of the sound partition arrives, the place is told, and when the disk is mended the rest arrives as well."""
    with Rig(kafka, topic, tmp_path, partitions=2) as rig:
        _write(rig, range(30), 1, **{"batch.num.messages": 10, "linger.ms": 0})
        before = rot(kafka_broker.directory / "data", rig.topic, 1)
        # It may be ready for a moment only, before it has met the place.
        worker = rig.run("worker", name="worker")
        for first in range(1_000, 1_500, 50):
            _write(rig, range(first, first + 50), 0)
            time.sleep(0.3)
        sound = {_ident(number) for number in range(1_000, 1_500)}
        eventually(lambda: sound <= set(rig.emulator.accepted()), within=60, what="the sound partition's events")
        place = f"topic {rig.topic} partition 1 cannot be read at offset 0: CorruptRecordException"
        eventually(lambda: _reasons(worker) == {"reading": place}, within=10, what="the place is told")
        assert worker.metrics()['bridge_unreadable_partitions{partition="1"}'] == 1
        (line,) = _errors(worker, "partition_unreadable")
        assert (line["topic"], line["partition"], line["offset"]) == (rig.topic, 1, 0)
        mend(kafka_broker.directory / "data", rig.topic, 1, before)
        rest = {_ident(number) for number in range(30)}
        eventually(lambda: rest <= set(rig.emulator.accepted()), within=45, what="the mended partition's events")
        eventually(lambda: get(worker.url + "/health/ready")[0] == 200, within=10, what="ready again")
        assert 'bridge_unreadable_partitions{partition="1"}' not in worker.metrics()
        rig.wait_drained()
        assert worker.stop(grace=30) == 0


def test_a_record_that_is_not_as_the_protocol_wants_it_is_held_and_then_set_aside(kafka, topic, tmp_path):
    """Held by default, with what lies before it delivered and no crash; with the setting it is a letter and all others arrive."""
    with Rig(kafka, topic, tmp_path, partitions=1) as rig:
        rig.produce(range(20))
        good, bad = [event(number) for number in range(100, 200)], event(999)
        asyncio.run(send_with_bad_header(kafka, rig.topic, good, bad, after=50))
        rig.produce(range(20, 40))
        worker = rig.run("worker", name="holding", BRIDGE_WORKER__STALL_SECONDS="5")
        eventually(lambda: len(rig.emulator.accepted()) == 70, within=60, what="what lies before it")
        eventually(
            lambda: "at offset 70: UnicodeDecodeError" in _reasons(worker).get("reading", ""), within=15, what="told"
        )
        time.sleep(8)
        assert worker.alive, "a restart would not mend it"
        assert worker.stop(grace=30) == 0
        assert rig.lag() == 71
        worker = rig.run("worker", name="setting-aside", BRIDGE_WORKER__UNREADABLE="set_aside")
        wanted = {_ident(number) for number in [*range(40), *range(100, 200)]}
        eventually(lambda: set(rig.emulator.accepted()) == wanted, within=40, what="all others")
        rig.wait_drained()
        (letter,) = rig.letters()
        assert (letter.key, orjson.loads(letter.value)) == (b"bad", bad)
        told = {name.removeprefix("bridge."): value for name, value in letter.headers.items()}
        assert (told["stage"], told["code"], told["partition"], told["offset"]) == ("decode", "unreadable", "0", "70")
        assert get(worker.url + "/health/ready")[0] == 200
        assert worker.stop(grace=30) == 0


def test_records_that_their_producer_has_numbered_alike_are_held_and_then_set_aside(kafka, topic, tmp_path):
    """Kafka stores them, and the client takes all but the first for read already: they are told, and a letter has their bytes."""
    with Rig(kafka, topic, tmp_path, partitions=1) as rig:
        asyncio.run(send_numbered_alike(kafka, rig.topic, [event(number) for number in range(100, 110)]))
        rig.produce(range(20))
        worker = rig.run("worker", name="holding")
        eventually(
            lambda: "at offset 1: CorruptRecordException" in _reasons(worker).get("reading", ""), within=60, what="told"
        )
        eventually(rig.emulator.accepted, within=20, what="the one before, which was read as the others were told")
        assert rig.emulator.accepted().keys() == {_ident(100)}
        assert worker.stop(grace=30) == 0
        worker = rig.run("worker", name="setting-aside", BRIDGE_WORKER__UNREADABLE="set_aside")
        wanted = {_ident(number) for number in [100, *range(20)]}
        eventually(lambda: set(rig.emulator.accepted()) == wanted, within=40, what="all others")
        rig.wait_drained()
        (letter,) = rig.letters()
        assert letter.headers["bridge.reason"].startswith("offsets 1 to 9 cannot be read")
        assert all(orjson.dumps(event(number)) in letter.value for number in range(101, 110))
        assert worker.stop(grace=30) == 0


def test_a_damaged_batch_is_set_aside_whole(kafka_broker, kafka, topic, tmp_path):
    """Its checksum does not hold, so none of its records can be trusted: one letter with its bytes and its offsets."""
    with Rig(kafka, topic, tmp_path, partitions=1, BRIDGE_WORKER__UNREADABLE="set_aside") as rig:
        for first in (0, 10, 20):
            # One batch, however long it takes to write its records: the flush at their end sends it.
            _write(rig, range(first, first + 10), 0, **{"linger.ms": 60_000})
        rot(kafka_broker.directory / "data", rig.topic, 0)
        worker = rig.run("worker", name="worker")
        wanted = {_ident(number) for number in range(10, 30)}
        eventually(lambda: set(rig.emulator.accepted()) == wanted, within=40, what="the sound batches")
        rig.wait_drained()
        (letter,) = rig.letters()
        assert letter.headers["bridge.reason"].startswith("offsets 0 to 9 cannot be read")
        assert len(letter.value) > 400
        assert worker.stop(grace=30) == 0


def test_what_retention_deletes_unread_is_counted_and_told(kafka, topic, tmp_path):
    """While AEP is away, and while no worker runs: delivered and expired together are what was sent, each rise told once."""
    with Rig(kafka, topic, tmp_path, partitions=1, BRIDGE_WORKER__MAX_IN_FLIGHT_EVENTS="100") as rig:
        admin = admin_client(kafka)

        def delete(upto):
            for done in admin.delete_records([TopicPartition(rig.topic, 0, upto)]).values():
                done.result(20)

        worker = rig.worker()
        rig.emulator.control(fail={"status": 503})
        rig.produce(range(4_000))
        eventually(lambda: worker.metric("bridge_kafka_lag") == 4_000, within=20, what="lag")
        time.sleep(2)
        delete(3_800)
        eventually(lambda: worker.metric("bridge_expired_records_total") > 0, within=20, what="told while AEP is away")
        expired = worker.metric("bridge_expired_records_total")
        eventually(lambda: worker.metric("bridge_kafka_lag") == 4_000 - expired, within=10, what="what is left waits")
        rig.emulator.control(clear_faults=True)
        rig.wait_drained()
        assert len(rig.emulator.accepted()) + expired == 4_000
        (line,) = _errors(worker, "records_expired")
        assert (line["topic"], line["partition"], line["last"], line["count"]) == (rig.topic, 0, 3_799, expired)
        assert worker.stop(grace=30) == 0
        rig.produce(range(5_000, 5_050))
        delete(4_030)
        worker = rig.worker("next")
        eventually(lambda: worker.metric("bridge_expired_records_total") == 30, within=20, what="told after a start")
        rig.wait_drained()
        assert {_ident(number) for number in range(5_030, 5_050)} <= set(rig.emulator.accepted())
        rig.produce(range(6_000, 6_010))
        rig.wait_drained()
        assert worker.metric("bridge_expired_records_total") == 30
        assert worker.stop(grace=30) == 0


def test_only_committed_transactions_are_delivered_and_listed(kafka, topic, tmp_path):
    """Aborted records are passed, lag goes to zero behind markers, an open transaction is told; letters of an aborted one are none."""
    with Rig(kafka, topic, tmp_path, partitions=1) as rig:
        producer = Producer({"bootstrap.servers": kafka, "transactional.id": f"{rig.topic}.writer"})
        producer.init_transactions(20)

        def write(target, numbers, end):
            producer.begin_transaction()
            for number in numbers:
                producer.produce(target, value=orjson.dumps(event(number)), partition=0)
            producer.flush(20)
            if end is not None:
                end(20)

        write(rig.topic, range(5), producer.commit_transaction)
        write(rig.topic, range(5, 10), producer.abort_transaction)
        write(rig.topic, range(10, 15), producer.commit_transaction)
        write(rig.dead_topic, range(3), producer.abort_transaction)
        worker = rig.worker()
        wanted = {_ident(number) for number in [*range(5), *range(10, 15)]}
        eventually(lambda: set(rig.emulator.accepted()) == wanted, within=20, what="the committed ones")
        eventually(lambda: worker.metrics().get(_LAG.format(rig.topic)) == 0, within=10, what="no lag behind a marker")
        listed = rig.run("deadletters", "list", "--json", name="list")
        assert listed.wait(60) == 0
        assert '"total": 0' in listed.tail(200)
        write(rig.topic, range(20, 25), None)
        eventually(
            lambda: "transaction" in _reasons(worker).get("transactions", ""), within=30, what="the open one is told"
        )
        assert worker.metric("bridge_open_transaction_seconds") >= 10
        assert set(rig.emulator.accepted()) == wanted
        assert worker.metrics()[_LAG.format(rig.topic)] == 0
        producer.commit_transaction(20)
        wanted |= {_ident(number) for number in range(20, 25)}
        eventually(lambda: set(rig.emulator.accepted()) == wanted, within=20, what="what was open")
        eventually(lambda: get(worker.url + "/health/ready")[0] == 200, within=10, what="ready again")
        assert worker.stop(grace=30) == 0


_LAG = 'bridge_kafka_lag{{partition="0",topic="{}"}}'


def test_a_topic_that_is_deleted_and_made_again_flows_within_half_a_minute(kafka, topic, tmp_path):
    """Its absence is unready with the reason; what is written after its return arrives."""
    with Rig(kafka, topic, tmp_path, partitions=2) as rig:
        rig.produce(range(20))
        worker = rig.worker()
        rig.wait_drained()
        admin = admin_client(kafka)
        for done in admin.delete_topics([rig.topic]).values():
            done.result(20)
        absent = {"topic": f"topic {rig.topic} does not exist"}
        eventually(lambda: absent.items() <= _reasons(worker).items(), within=40, what="its absence is told")
        create_topic(kafka, rig.topic, partitions=2, config={})
        began = time.monotonic()
        rig.produce(range(100, 200))
        wanted = {_ident(number) for number in range(100, 200)}
        eventually(lambda: wanted <= set(rig.emulator.accepted()), within=30, what="the new topic's events")
        assert time.monotonic() - began < 30
        eventually(lambda: get(worker.url + "/health/ready")[0] == 200, within=10, what="ready again")
        assert worker.metric("bridge_assigned_partitions") == 2
        eventually(
            lambda: worker.metric("bridge_topic_retention_seconds") == 7 * 24 * 3_600, within=30, what="Kafka's default"
        )
        assert worker.stop(grace=30) == 0


_LONG_SESSION = {"BRIDGE_KAFKA__SESSION_TIMEOUT_SECONDS": "60"}
"""A worker stands still while its topic is made again, and it is the same assignment afterwards however long that takes."""


def _delete(rig, admin):
    admin.delete_topics([rig.topic])[rig.topic].result(20)


def _make_again(rig):
    def made():
        with contextlib.suppress(KafkaException):
            create_topic(rig.bootstrap, rig.topic, partitions=1, config={})
            return True
        return False

    eventually(made, within=30, what="the topic is made again", every=0.1)


def _expired(worker):
    return worker.metrics().get('bridge_expired_records_total{partition="0"}', 0.0)


def _held_by_an_outage(rig):
    """A worker with some of 2,000 records in flight, which AEP does not take; the last look has seen them all."""
    worker = rig.worker()
    rig.emulator.control(fail={"status": 500})
    _write(rig, range(2_000), 0)
    eventually(lambda: worker.metric("bridge_kafka_lag") == 2_000, within=20, what="the whole lag is seen")
    time.sleep(2)
    return worker


def test_what_a_deleted_topic_had_unread_is_counted_and_told(kafka, topic, tmp_path):
    """Its last known end less what was committed, once, with the numbers; the letters and the next topic are not touched by it."""
    with Rig(kafka, topic, tmp_path, partitions=1, BRIDGE_WORKER__MAX_IN_FLIGHT_EVENTS="200") as rig:
        worker, admin = _held_by_an_outage(rig), admin_client(kafka)
        _delete(rig, admin)
        eventually(lambda: _expired(worker) > 0, within=45, what="what was lost with the topic is counted")
        assert _expired(worker) == 2_000
        [line] = _errors(worker, "records_expired")
        assert (line["topic"], line["partition"], line["first"], line["last"], line["count"]) == (
            rig.topic, 0, 0, 1_999, 2_000,
        )  # fmt: skip
        rig.emulator.control(clear_faults=True)
        _make_again(rig)
        fresh = {_ident(number) for number in range(5_000, 5_100)}
        _write(rig, range(5_000, 5_100), 0)
        eventually(lambda: fresh <= set(rig.emulator.accepted()), within=60, what="the new topic's events")
        assert _expired(worker) == 2_000, "told once"
        assert worker.stop(grace=30) == 0


def test_a_topic_that_is_made_again_at_once_is_read_from_its_first_record(kafka, topic, tmp_path):
    """With more records by then than were read of the one before, so that the client's position is in their midst."""
    settings = {"BRIDGE_WORKER__MAX_IN_FLIGHT_EVENTS": "200"} | _LONG_SESSION
    with Rig(kafka, topic, tmp_path, partitions=1, **settings) as rig:
        worker, admin = _held_by_an_outage(rig), admin_client(kafka)
        worker.pause()
        _delete(rig, admin)
        _make_again(rig)
        _write(rig, range(5_000, 9_000), 0)
        worker.resume()
        rig.emulator.control(clear_faults=True)
        fresh = {_ident(number) for number in range(5_000, 9_000)}
        eventually(lambda: fresh <= set(rig.emulator.accepted()), within=60, what="all events of the new topic")
        eventually(lambda: worker.metric("bridge_kafka_lag") == 0, within=20, what="no lag")
        delivered = len(set(rig.emulator.accepted()) - fresh)
        assert 0 < _expired(worker) <= 2_000
        told = _expired(worker) + delivered + len(rig.letters())
        assert told >= 2_000, "whatever did not arrive is counted, or a dead letter"
        assert _errors(worker, "records_expired")
        assert worker.stop(grace=30) == 0


def test_a_topic_that_is_made_again_twice_is_read_from_its_first_record_each_time(kafka, topic, tmp_path):
    """Within one assignment, each time with more records than were read of the one before; each is told, and nothing is lost."""
    with Rig(kafka, topic, tmp_path, partitions=1, **_LONG_SESSION) as rig:
        rig.produce(range(20))
        worker, admin = rig.worker(), admin_client(kafka)
        rig.wait_drained()
        for turn, numbers in enumerate((range(1_000, 1_200), range(3_000, 3_600)), start=1):
            worker.pause()
            _delete(rig, admin)
            _make_again(rig)
            _write(rig, numbers, 0)
            worker.resume()
            fresh = {_ident(number) for number in numbers}
            eventually(lambda fresh=fresh: fresh <= set(rig.emulator.accepted()), within=30, what="all its events")
            eventually(lambda: worker.metric("bridge_kafka_lag") == 0, within=20, what="no lag")
            told = _errors(worker, "partition_made_again")
            assert [line["begins"] for line in told] == [0] * turn
        assert _expired(worker) == 0
        assert worker.stop(grace=30) == 0
