"""The connection settings in Faust's form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import faust

from bridge.kafka.connection import sasl_password, tls_context

if TYPE_CHECKING:
    from bridge.settings import KafkaSettings


def faust_broker(kafka: KafkaSettings) -> str:
    """The brokers as Faust wants them: ``kafka://a:9092;kafka://b:9092``."""
    return ";".join(f"kafka://{server}" for server in kafka.bootstrap_servers)


def faust_credentials(kafka: KafkaSettings) -> Any:
    """Faust's ``broker_credentials``; None for PLAINTEXT. Its driver hands them to consumer and producer alike."""
    if kafka.security_protocol == "PLAINTEXT":
        return None
    if kafka.security_protocol == "SSL":
        return faust.SSLCredentials(context=tls_context(kafka))
    # Faust speaks SASL over TLS exactly when there is a context.
    return faust.SASLCredentials(
        username=kafka.sasl_username,
        password=sasl_password(kafka),
        mechanism=kafka.sasl_mechanism,
        ssl_context=tls_context(kafka) if kafka.security_protocol == "SASL_SSL" else None,
    )
