"""Every security setting reaches every client, Faust's consumer and producer included."""

from __future__ import annotations

import ssl

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from bridge.kafka.connection import client_options, tls_context
from bridge.kafka.consumer.stream.faust_connection import faust_broker, faust_credentials
from bridge.model.errors import SettingsError
from bridge.settings import KafkaSettings
from bridge.testing.kafka.certificates import make_certificates

SASL = {"sasl_username": "bridge", "sasl_password": "s3cret"}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Throw-away PEM files."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


def test_plain() -> None:
    """Without security there is an address, a bound on requests, and nothing else."""
    kafka = KafkaSettings(bootstrap_servers="a:1, b:2", request_timeout_seconds=7.5)
    assert client_options(kafka) == {
        "bootstrap_servers": ["a:1", "b:2"],
        "security_protocol": "PLAINTEXT",
        "request_timeout_ms": 7500,
    }
    assert faust_broker(kafka) == "kafka://a:1;kafka://b:2"
    assert faust_credentials(kafka) is None


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_sasl(mechanism, protocol) -> None:
    """User, password and mechanism are handed over; TLS exactly with SASL_SSL."""
    kafka = KafkaSettings(security_protocol=protocol, sasl_mechanism=mechanism, **SASL)
    options = client_options(kafka)
    assert options["sasl_mechanism"] == mechanism
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("bridge", "s3cret")
    assert isinstance(options.get("ssl_context"), ssl.SSLContext) is (protocol == "SASL_SSL")


def test_tls(certificates) -> None:
    """The named authority alone is trusted, the client's certificate is loaded, the host name is checked unless turned off."""
    kafka = KafkaSettings(
        security_protocol="SSL",
        ssl_cafile=certificates.ca,
        ssl_certfile=certificates.client_certificate,
        ssl_keyfile=certificates.client_key,
    )
    context = client_options(kafka)["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert len(context.get_ca_certs()) == 1
    unchecked = tls_context(KafkaSettings(security_protocol="SSL", ssl_check_hostname=False))
    assert (unchecked.verify_mode, unchecked.check_hostname) == (ssl.CERT_REQUIRED, False)


def test_encrypted_key(certificates, tmp_path) -> None:
    """A key with a password needs it; without or with a wrong one the variable is named and nobody is asked."""
    key = load_pem_private_key(certificates.client_key.read_bytes(), None)
    locked = tmp_path / "locked.key"
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass")))
    files = {"security_protocol": "SSL", "ssl_certfile": certificates.client_certificate, "ssl_keyfile": locked}
    tls_context(KafkaSettings(**files, ssl_key_password="pass"))
    for password in (None, "wrong"):
        with pytest.raises(SettingsError, match="BRIDGE_KAFKA__SSL_KEYFILE") as caught:
            tls_context(KafkaSettings(**files, ssl_key_password=password))
        assert "BRIDGE_KAFKA__SSL_KEY_PASSWORD" in (caught.value.hint or "")


@pytest.mark.parametrize("key", ["ssl_cafile", "ssl_certfile"])
def test_unusable_files_are_named(key, tmp_path) -> None:
    """A file that is missing or is no PEM names its variable."""
    (tmp_path / "garbage.pem").write_text("garbage")
    for name in ("nowhere.pem", "garbage.pem"):
        with pytest.raises(SettingsError, match=f"BRIDGE_KAFKA__{key.upper()}"):
            tls_context(KafkaSettings(security_protocol="SSL", **{key: tmp_path / name}))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"security_protocol": "SSL"},
        *(
            {"security_protocol": protocol, "sasl_mechanism": mechanism, **SASL}
            for protocol in ("SASL_PLAINTEXT", "SASL_SSL")
            for mechanism in ("PLAIN", "SCRAM-SHA-512")
        ),
    ],
    ids=lambda settings: "-".join(map(str, settings.values()))[:30],
)
async def test_faust_hands_them_to_consumer_and_producer(settings, monkeypatch) -> None:
    """What Faust's driver gives to aiokafka's consumer and producer equals what the bridge gives to its own clients."""
    import asyncio

    import faust
    from faust.transport.drivers import aiokafka as driver

    kafka = KafkaSettings(bootstrap_servers="a:1,b:2", **settings)
    app = faust.App(
        "connection-test",
        broker=faust_broker(kafka),
        broker_credentials=faust_credentials(kafka),
        store="memory://",
        web_enabled=False,
        autodiscover=False,
    )
    seen: dict[str, dict] = {}
    monkeypatch.setattr(driver.aiokafka, "AIOKafkaConsumer", lambda *_a, **options: seen.update(consumer=options))
    monkeypatch.setattr(driver.aiokafka, "AIOKafkaProducer", lambda *_a, **options: seen.update(producer=options))
    transport = driver.Transport([*app.conf.broker], app)
    thread = driver.AIOKafkaConsumerThread.__new__(driver.AIOKafkaConsumerThread)
    thread.app = app
    thread.consumer = type("Consumer", (), {"in_transaction": False})()
    thread._create_worker_consumer(transport)
    producer = driver.Producer.__new__(driver.Producer)
    driver.Producer.__init__(producer, transport, loop=asyncio.get_running_loop())
    producer._new_producer()
    expected = client_options(kafka)
    for options in (seen["consumer"], seen["producer"]):
        assert sorted(options["bootstrap_servers"]) == sorted(expected["bootstrap_servers"])
        for name in ("security_protocol", "sasl_mechanism", "sasl_plain_username", "sasl_plain_password"):
            assert options.get(name) == expected.get(name), name
        assert isinstance(options.get("ssl_context"), ssl.SSLContext) is ("ssl_context" in expected)
