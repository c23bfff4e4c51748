"""What happens to certificates: all are renewed under the same names by a new authority, while everything runs."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING

from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from faults import fault
from stage import TOPIC

from bridge.testing.kafka.admin import admin_client
from bridge.testing.kafka.certificates import make_certificates
from bridge.testing.processes import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from faults import Planned
    from stage import Stage

    from bridge.testing.kafka.broker import Broker

_LED_SECONDS = 5
_TAKEN = 30.0
"""Seconds within which whoever listens shows its new certificate to new connections."""
_TLS_FILES = {"ssl.keystore.location": "broker_bundle", "ssl.truststore.location": "ca"}


@fault("broker", 2, 6)
async def kafka_certificates_renewed(stage: Stage, planned: Planned) -> None:
    """Brokers and clients get certificates of a new authority; one broker ends, so that all clients knock anew."""
    files = stage.cluster.certificates
    assert files is not None
    before = x509.load_pem_x509_certificate(files.ca.read_bytes())

    def read_again() -> None:
        for broker in stage.cluster.brokers:
            _read_again(stage, broker)

    # As operators do: first everybody trusts the new authority beside the one before, then it signs what they show.
    renewed = await asyncio.to_thread(
        make_certificates, files.ca.parent, trusted_too=before.public_bytes(Encoding.PEM), trusted=read_again
    )
    serial = _serial(renewed.broker_bundle)
    await asyncio.to_thread(read_again)
    for broker in stage.cluster.brokers:
        await asyncio.to_thread(
            _shown, broker.node.ssl, serial, client=(renewed.client_certificate, renewed.client_key)
        )
    broker = planned.rng.choice(await asyncio.to_thread(_leading, stage))
    stage.allowance.confirmations_are_cut(planned.kind)
    await asyncio.to_thread(broker.kill9)
    await asyncio.sleep(planned.seconds)
    await asyncio.to_thread(broker.start)
    await stage.brokers_recovered(planned.kind)


@fault("process", 1, 3)
async def receiver_certificate_renewed(stage: Stage, planned: Planned) -> None:
    """The receiver's certificate is renewed: who connects from then on is shown the new one."""
    made = make_certificates(stage.receiver_tls.ca.parent)
    stage.trust_receiver()
    serial = _serial(made.broker_bundle)
    await asyncio.to_thread(_shown, stage.receiver_port, serial)
    await asyncio.sleep(planned.seconds)


def _read_again(stage: Stage, broker: Broker) -> None:
    """Have a broker read its files again, as an operator does: set the names that they have already (KIP-226)."""
    files = stage.cluster.certificates
    entries = [
        ConfigEntry(f"listener.name.ssl.{key}", str(getattr(files, name)), incremental_operation=AlterConfigOpType.SET)
        for key, name in _TLS_FILES.items()
    ]
    resource = ConfigResource(ResourceType.BROKER, str(broker.node.id), incremental_configs=entries)
    admin = admin_client(stage.cluster.bootstrap)
    admin.incremental_alter_configs([resource])[resource].result(20)


def _leading(stage: Stage) -> list[Broker]:
    """Brokers that lead a partition of the events: with any other, nobody may be connected, and so nobody knocks anew."""
    found = admin_client(stage.cluster.bootstrap).list_topics(TOPIC, timeout=_LED_SECONDS).topics.get(TOPIC)
    leaders = {each.leader for each in found.partitions.values()} if found is not None else set()
    return [broker for broker in stage.cluster.brokers if broker.node.id in leaders] or stage.cluster.brokers


def _serial(bundle: Path) -> int:
    text = bundle.read_bytes()
    return x509.load_pem_x509_certificate(text[text.index(b"-----BEGIN CERTIFICATE-----") :]).serial_number


def _shown(port: int, serial: int, *, client: tuple[Path, Path] | None = None) -> None:
    """Wait until whoever listens at the port shows the certificate of that serial number."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if client is not None:
        context.load_cert_chain(*map(str, client))

    def shows() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=3) as plain, context.wrap_socket(plain) as tls:
                found = tls.getpeercert(binary_form=True)
        except OSError:
            return False
        return found is not None and x509.load_der_x509_certificate(found).serial_number == serial

    eventually(shows, within=_TAKEN, what=f"a renewed certificate is shown at port {port}", every=0.2)
