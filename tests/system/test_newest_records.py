"""The newest records of a topic, as lint, plan and drift read them."""

from __future__ import annotations

import json

import pytest
from confluent_kafka import Producer
from json_output import json_of
from typer.testing import CliRunner

from bridge.cli.main import app
from bridge.kafka.newest_records import newest_values
from bridge.settings import KafkaSettings
from bridge.testing.kafka.embedded import EmbeddedKafka

TOPIC = "moengage.events"


@pytest.fixture
def kafka():
    """A broker whose topic has 40 events over four partitions, written a millisecond apart."""
    with EmbeddedKafka(TOPIC, "moengage.events.dead-letters") as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        for number in range(40):
            event = {"event_code": "X", "event_uuid": f"e{number}", "event_time": 1731421200, "uid": f"u{number}"}
            producer.produce(
                TOPIC, json.dumps(event).encode(), partition=number % 4, timestamp=1_731_421_200_000 + number
            )
        assert producer.flush(30) == 0
        yield KafkaSettings(bootstrap_servers=(broker.bootstrap,))


async def test_the_newest_come_in_their_order(kafka):
    """So many as asked for, from all partitions, by their timestamps; all of them where there are fewer."""
    found = await newest_values(kafka, 5)
    assert [(at - 1_731_421_200_000, json.loads(value)["event_uuid"]) for at, value in found] == [
        (number, f"e{number}") for number in range(35, 40)
    ]
    assert len(await newest_values(kafka, 1_000)) == 40


def test_lint_and_drift_take_them(kafka, monkeypatch):
    """--from-kafka N: the events of the last N records go through mapping and check."""
    monkeypatch.setenv("BRIDGE_KAFKA__BOOTSTRAP_SERVERS", kafka.bootstrap_servers[0])
    done = CliRunner().invoke(app, ["mapping", "lint", "mappings/moengage_events.csv", "--from-kafka", "7"])
    assert "none of 7 events would be refused" in done.stderr
    drift = CliRunner().invoke(app, ["mapping", "drift", "--from-kafka", "7", "--json"])
    assert json_of(drift, exit_code=None)["events"] == 7


def test_preview_and_eval_take_a_dead_letter_by_its_place(kafka, monkeypatch):
    """--dead-letter PARTITION/OFFSET: the event in the letter, through today's mapping; a place without one is told."""
    monkeypatch.setenv("BRIDGE_KAFKA__BOOTSTRAP_SERVERS", kafka.bootstrap_servers[0])
    event = {"event_code": "X", "event_uuid": "dl-1", "event_time": 1731421200, "uid": "u"}
    headers = [(f"bridge.{name}", b"check") for name in ("stage", "code", "reason")]
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers[0]})
    producer.produce("moengage.events.dead-letters", json.dumps(event).encode(), partition=2, headers=headers)
    assert producer.flush(30) == 0
    arguments = ["mapping", "preview", "mappings/moengage_events.csv", "--dead-letter", "2/0", "--json"]
    shown = CliRunner().invoke(app, arguments)
    assert json_of(shown, exit_code=None)["_id"] == "dl-1"
    assert CliRunner().invoke(app, ["mapping", "eval", "uid", "--dead-letter", "2/0"]).stdout == '"u"\n'
    missing = CliRunner().invoke(app, ["mapping", "eval", "uid", "--dead-letter", "2/7"])
    assert "there is no dead letter at 2/7" in str(missing.exception)
    assert CliRunner().invoke(app, ["mapping", "eval", "uid", "--dead-letter", "x"]).exit_code == 2
