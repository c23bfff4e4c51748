"""The security settings against a real broker that demands them."""

from __future__ import annotations

import gc
import os
import warnings

import pytest

from bridge.kafka.producer.publisher import KafkaPublisher
from bridge.kafka.topics import ensure_topics
from bridge.model.errors import KafkaError
from bridge.settings import KafkaSettings
from bridge.testing.kafka.node_properties import PASSWORD, USERNAME
from bridge.testing.kafka.stored_records import stored

pytestmark = pytest.mark.kafka


@pytest.fixture(autouse=True)
def _handshakes_that_failed():
    """Aiokafka leaves the socket of a refused TLS handshake to the garbage collector: let it go here, not in some later test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


SCENES = ["SASL-PLAIN", "SASL-SCRAM-SHA-256", "SASL-SCRAM-SHA-512", "SSL", "SASL_SSL"]


def settings(scene, broker, **more) -> KafkaSettings:
    """Settings that the broker's listener demands."""
    name = f"secure-{os.urandom(4).hex()}"
    credentials = {"sasl_username": USERNAME, "sasl_password": PASSWORD}
    tls = {"ssl_cafile": broker.certificates.ca}
    made = {
        "SSL": {
            "bootstrap_servers": broker.ssl_bootstrap,
            "security_protocol": "SSL",
            "ssl_certfile": broker.certificates.client_certificate,
            "ssl_keyfile": broker.certificates.client_key,
            **tls,
        },
        "SASL_SSL": {
            "bootstrap_servers": broker.sasl_ssl_bootstrap,
            "security_protocol": "SASL_SSL",
            **credentials,
            **tls,
        },
    }.get(scene) or {
        "bootstrap_servers": broker.sasl_bootstrap,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": scene.removeprefix("SASL-"),
        **credentials,
    }
    topics = {"topic": name, "dead_letter_topic": f"{name}.dead", "create_topics": True, "partitions": 2}
    return KafkaSettings(**{**made, **topics, "request_timeout_seconds": 5, **more})


@pytest.mark.parametrize("scene", SCENES)
async def test_the_right_credentials(kafka_broker, scene) -> None:
    """With what the listener demands, topics are created and records stored."""
    kafka = settings(scene, kafka_broker, request_timeout_seconds=30)
    async with KafkaPublisher(kafka) as publisher:
        await publisher.connected(60)
        await publisher.publish([(b"k", b"v", ())])
    assert [record.value for record in stored(kafka_broker.bootstrap, kafka.topic)] == [b"v"]


@pytest.mark.parametrize(
    ("scene", "wrong"),
    [
        ("SASL-PLAIN", {"sasl_password": "wrong"}),
        ("SASL-SCRAM-SHA-512", {"sasl_password": "wrong"}),
        ("SASL_SSL", {"sasl_username": "nobody"}),
        ("SASL_SSL", {"ssl_cafile": None}),
        ("SSL", {"ssl_certfile": None, "ssl_keyfile": None}),
    ],
)
async def test_wrong_ones_are_told(kafka_broker, scene, wrong) -> None:
    """Wrong or missing credentials are an error that names the settings and never the secret."""
    with pytest.raises(KafkaError) as caught:
        await ensure_topics(settings(scene, kafka_broker, **wrong))
    assert "BRIDGE_KAFKA__" in (caught.value.hint or "")
    assert PASSWORD not in str(caught.value)
    assert "wrong" not in str(caught.value)
