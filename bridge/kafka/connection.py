"""How to reach the brokers, in the words of aiokafka and of Faust: one place, so that every client gets all of it.

aiokafka takes keyword arguments, alike for consumer, producer and admin client. Faust takes URLs and a credentials
object, from which its driver makes those same arguments for its consumer and its producer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.kafka.batches.decompression import bound_client
from bridge.settings.tls import RenewedContext, TlsFiles

if TYPE_CHECKING:
    import ssl

    from bridge.settings import KafkaSettings


def client_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Arguments of ``AIOKafkaConsumer``, ``AIOKafkaProducer`` and ``AIOKafkaAdminClient`` for address and security.

    Raises ``SettingsError`` naming the variable whose file cannot be used.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": list(kafka.bootstrap_servers),
        "security_protocol": kafka.security_protocol,
        "request_timeout_ms": int(kafka.request_timeout_seconds * 1000),
    }
    if kafka.security_protocol.endswith("SSL"):
        options["ssl_context"] = tls_context(kafka)
    if kafka.security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = kafka.sasl_mechanism
        options["sasl_plain_username"] = kafka.sasl_username
        options["sasl_plain_password"] = sasl_password(kafka)
    return options


def reader_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Arguments of an ``AIOKafkaConsumer`` that reads outside of any group, from the beginning unless it seeks, and commits nothing.

    From then on every consumer of the process decompresses within a bound, as the worker does.
    """
    bound_client()
    return {**client_options(kafka), "group_id": None, "enable_auto_commit": False, "auto_offset_reset": "earliest"}


def tls_context(kafka: KafkaSettings) -> ssl.SSLContext:
    """A client's TLS context: TLS 1.2 or newer, the chain always verified, the host name unless turned off."""
    return RenewedContext(
        TlsFiles(
            "kafka",
            ("ssl_certfile", "ssl_keyfile", "ssl_cafile", "ssl_key_password"),
            kafka.ssl_certfile,
            kafka.ssl_keyfile,
            kafka.ssl_cafile,
            kafka.ssl_key_password,
            check_hostname=kafka.ssl_check_hostname,
        )
    )


def sasl_password(kafka: KafkaSettings) -> str | None:
    """The password in plain text, for a client library."""
    return kafka.sasl_password.get_secret_value() if kafka.sasl_password else None
