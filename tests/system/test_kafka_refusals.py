"""What a real Kafka refuses for good costs no neighbour: at the receiver, at the worker, with limits that change beneath them."""

from __future__ import annotations

import base64
import random
import time

import orjson
import pytest

from bridge.testing.kafka.admin import alter_topic
from bridge.testing.numbered_events import batch, event
from bridge.testing.processes import eventually
from bridge.testing.rig import Rig

pytestmark = pytest.mark.kafka


def noise(size: int, seed: int = 1) -> str:
    """Text that does not compress (much: it is the 64 letters of base64), of ``size`` characters."""
    return base64.b64encode(random.Random(seed).randbytes(size)).decode()[:size]


def large(number: int, size: int) -> dict:
    """An event with noise in it."""
    made = event(number)
    made["event_attributes"] = {**made.get("event_attributes", {}), "pad": noise(size, number)}
    return made


@pytest.fixture
def rig(kafka, topic, tmp_path):
    """A rig whose topics take ten megabytes of events, and of dead letters what Kafka takes by default."""
    with Rig(kafka, topic, tmp_path, partitions=1) as made:
        alter_topic(kafka, made.topic, max_message_bytes="10000000")
        yield made


def letters_of_code(rig, code):
    """Dead letters with this code, each once."""
    return [letter for letter in rig.distinct_letters() if letter.headers["bridge.code"] == code]


@pytest.mark.parametrize("limit", [1_048_588, 20_000, 300])
def test_an_event_larger_than_the_dead_letters_topic_stops_nothing(rig, kafka, limit) -> None:
    """It does not compress, and its dead letter does not fit: it is cut, counted, and its neighbours go on."""
    alter_topic(kafka, rig.dead_topic, max_message_bytes=str(limit))
    rig.receiver()
    worker = rig.worker()
    rig.post_numbers(range(100))
    assert rig.post(large(1_000, 1_100_000)).status_code == 200
    rig.post_numbers(range(100, 300))
    rig.wait_drained(60)
    (letter,) = rig.distinct_letters()
    assert letter.headers["bridge.form"] == "truncated"
    if limit > 1_000:
        assert int(letter.headers["bridge.truncated_from"]) > 1_100_000
        assert len(letter.value) > limit * 0.9
    assert letter.headers["bridge.offset"] == "100"
    assert worker.metric("bridge_truncated_dead_letters_total") == 1
    assert len(rig.emulator.accepted()) == 300


def test_the_dead_letter_topic_takes_less_while_the_worker_runs(rig, kafka) -> None:
    """The limit is lowered between two letters: the next is cut to it within seconds, and raised again it is kept whole."""
    worker = rig.worker()
    rig.produce_raw(b"[" + noise(50_000).encode())
    rig.wait_drained()
    alter_topic(kafka, rig.dead_topic, max_message_bytes="10000")
    rig.produce_raw(b"[" + noise(50_000, 2).encode())
    rig.wait_drained()
    whole, cut = sorted(rig.distinct_letters(), key=lambda letter: len(letter.value), reverse=True)
    assert [each.headers["bridge.form"] == "truncated" for each in (whole, cut)] == [False, True]
    assert len(whole.value) > 50_000
    assert 9_000 < len(cut.value) < 10_000
    assert worker.metric("bridge_truncated_dead_letters_total") == 1


def test_an_event_about_the_limit_is_stored_or_a_dead_letter(kafka, topic, tmp_path) -> None:
    """A body of about the size that the topic takes, which does not compress, is answered 200 and is somewhere."""
    with Rig(kafka, topic, tmp_path, partitions=1) as rig:
        receiver = rig.receiver()
        for count, size in enumerate((1_047_000, 1_048_100, 1_048_290, 1_048_340, 1_048_480, 1_048_588), 1):
            made = large(1, 1_000_000)
            short = size - len(orjson.dumps(made))
            made["event_attributes"]["pad"] = noise(1_000_000 + short)
            assert len(orjson.dumps(made)) == size
            assert rig.post(made).status_code == 200
            stored = receiver.metric("bridge_received_events_total")
            assert stored + len(letters_of_code(rig, "too_large")) == count, size


def test_the_event_topic_takes_less_while_the_receiver_runs(rig, kafka) -> None:
    """Small events go on all the time; the large one is a dead letter, its neighbour in the same body is stored."""
    receiver = rig.receiver()
    rig.post_numbers(range(10))
    alter_topic(kafka, rig.topic, max_message_bytes="200000")
    for turn in range(3):
        answer = rig.post(batch([large(100 + turn, 300_000), event(200 + turn)]))
        assert (answer.status_code, answer.json()["events"], answer.json()["dead_letters"]) == (200, 1, 1)
        rig.post_numbers([300 + turn])
    assert len(letters_of_code(rig, "too_large")) == 3
    assert {letter.headers["bridge.form"] for letter in rig.letters()} == {"event"}
    rig.worker()
    rig.wait_drained()
    assert len(rig.emulator.accepted()) == 10 + 3 + 3
    assert receiver.metric("bridge_received_events_total") == 16


def test_records_that_a_compacted_topic_refuses_cost_no_neighbour(rig, kafka) -> None:
    """The topics are compacted beneath the receiver: what has no key is a dead letter, which gets one; the others are stored."""
    rig.receiver()
    alter_topic(kafka, rig.topic, cleanup_policy="compact")
    alter_topic(kafka, rig.dead_topic, cleanup_policy="compact")
    keyless = {"event_code": "Keyless", "event_name": "Keyless", "event_time": 1_731_421_200}
    answer = rig.post(orjson.dumps({"events": [keyless, event(1), "no event", event(2)]}))
    assert (answer.status_code, answer.json()["events"], answer.json()["dead_letters"]) == (200, 2, 2)
    assert sorted(letter.headers["bridge.code"] for letter in rig.distinct_letters()) == [
        "kafka_invalid_record",
        "not_an_object",
    ]


@pytest.mark.parametrize("which", ["topic", "dead_topic"])
def test_a_compacted_topic_is_refused_at_the_start(rig, kafka, which) -> None:
    """Exit 1 with the name of the topic and the command that mends it: events would be deleted before they are delivered."""
    name = getattr(rig, which)
    alter_topic(kafka, name, cleanup_policy="compact,delete")
    for process in [rig.run(command) for command in ("receiver", "worker")]:
        assert process.wait(90) == 1
        told = process.tail()
        assert f"the topic {name} is compacted" in told, process.name
        assert f"--entity-name {name} --add-config cleanup.policy=delete" in told, process.name


def test_a_missing_dead_letter_topic_leaves_no_copies(rig, kafka) -> None:
    """The sender is answered 503 and sends again: nothing of the body was stored meanwhile, and then all of it, once."""
    from bridge.testing.kafka.admin import admin_client, create_topic

    receiver = rig.receiver()
    admin = admin_client(kafka)
    admin.delete_topics([rig.dead_topic])[rig.dead_topic].result(20)
    body = batch([event(1), event(2)])
    body["events"].append("no event")
    eventually(lambda: rig.post(body).status_code == 503, within=30, what="the missing topic is noticed")
    before = receiver.metric("bridge_received_events_total")
    for _ in range(3):
        assert rig.post(body).status_code == 503
        time.sleep(0.2)
    end = rig.lag()
    create_topic(kafka, rig.dead_topic, partitions=2)
    eventually(lambda: rig.post(body).status_code == 200, within=30, what="the topic is found again")
    assert rig.lag() - end == 2
    assert receiver.metric("bridge_received_events_total") - before == 2
