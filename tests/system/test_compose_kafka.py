"""The Kafka part of docker-compose.yml, run for real: its settings start a broker, its commands create the topics."""

import asyncio
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from bridge.kafka.topic_facts import describe, judge
from bridge.kafka.topics import admin
from bridge.settings import KafkaSettings, ReceiverSettings
from bridge.testing.kafka.admin import admin_client
from bridge.testing.kafka.broker import Broker
from bridge.testing.kafka.jars import tool
from bridge.testing.processes import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]
_TOOL_SECONDS = 240
"""Each command of Kafka's is a JVM, and a script of several starts one after the other."""
ROOT = Path(__file__).resolve().parents[2]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]


def _properties(environment: dict[str, str], ports: dict[str, int]) -> dict[str, str]:
    """What the image's start script makes of KAFKA_ variables, on this machine's addresses."""

    def here(value: str) -> str:
        return re.sub(
            r"(://(?:kafka)?|kafka):(9092|9093)",
            lambda m: f"{m[1].removesuffix('kafka')}127.0.0.1:{ports[m[2]]}",
            value,
        )

    return {
        name.removeprefix("KAFKA_").lower().replace("_", "."): here(value)
        for name, value in environment.items()
        if name.startswith("KAFKA_") and name != "KAFKA_HEAP_OPTS"
    }


@pytest.mark.slow(30)
def test_settings_and_commands_of_compose(tmp_path, kafka_broker):
    """A broker with compose's settings starts, answers its health check, and topics come out as written there."""
    environment = SERVICES["kafka"]["environment"]
    ports = {"9092": free_port(), "9093": free_port()}
    given = _properties(environment, ports)
    given["log.dirs"] = str(tmp_path / "data")
    broker = Broker(tmp_path / "broker", properties=given, cluster_id=environment["CLUSTER_ID"], only_given=True)
    bootstrap = f"127.0.0.1:{ports['9092']}"
    with broker:
        check = SERVICES["kafka"]["healthcheck"]["test"]
        assert check[0] == "CMD"
        asked = [word.replace("localhost:9092", bootstrap) for word in check[1:]]
        assert (
            bootstrap
            in subprocess.run(tool(*asked), check=True, capture_output=True, text=True, timeout=_TOOL_SECONDS).stdout
        )
        (script,) = SERVICES["topics"]["command"]
        here = tmp_path / "kafka-topics.sh"
        here.write_text("#!/bin/sh\nexec " + " ".join(f"'{word}'" for word in tool("kafka-topics.sh")) + ' "$@"\n')
        here.chmod(0o755)
        script = (
            script.replace("$$", "$")
            .replace("/opt/kafka/bin/kafka-topics.sh", str(here))
            .replace("kafka:9092", bootstrap)
        )
        # Twice: starting compose again must not fail on topics that exist.
        for _ in range(2):
            subprocess.run(
                [*SERVICES["topics"]["entrypoint"], script], check=True, capture_output=True, timeout=_TOOL_SECONDS
            )
        topics = admin_client(bootstrap).list_topics(timeout=10).topics
        assert {name: len(topic.partitions) for name, topic in topics.items() if not name.startswith("_")} == {
            "moengage.events": 12,
            "moengage.events.dead-letters": 12,
            "bridge.state": 1,
        }
        settings = KafkaSettings(bootstrap_servers=(bootstrap,))

        async def facts():
            async with admin(settings) as client:
                return await describe(client, (settings.topic, settings.dead_letter_topic))

        described = asyncio.run(facts())
        body = ReceiverSettings().max_body_bytes
        assert {each.message_bytes > body for each in described.values()} == {True}, (
            "the receiver's largest body is a dead letter whole"
        )
        assert [finding for each in described.values() for finding in judge(each, settings)] == []
