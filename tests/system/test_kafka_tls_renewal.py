"""Certificates that are renewed under the same names: receiver and worker go on by themselves, on a real Kafka with TLS."""

from __future__ import annotations

import time

import pytest

from bridge.testing.kafka.admin import create_topic
from bridge.testing.kafka.broker import Broker
from bridge.testing.kafka.certificates import make_certificates
from bridge.testing.kafka.jars import BrokerUnavailableError
from bridge.testing.numbered_events import batch, event
from bridge.testing.processes import eventually
from bridge.testing.rig import Rig

pytestmark = pytest.mark.kafka


def test_a_new_authority_with_all_that_it_signs(tmp_path) -> None:
    """The broker comes back with certificates of a new authority, the clients' files are renewed: all flows within a minute."""
    try:
        broker = Broker(tmp_path / "kafka", secure=True)
    except BrokerUnavailableError as reason:
        pytest.skip(f"not run against a real Kafka: {reason}")
    files = broker.certificates

    def topic(kind, partitions=1):
        return create_topic(broker.bootstrap, f"renewal.{kind}", partitions=partitions)

    tls = {
        "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": broker.ssl_bootstrap,
        "BRIDGE_KAFKA__SECURITY_PROTOCOL": "SSL",
        "BRIDGE_KAFKA__SSL_CAFILE": str(files.ca),
        "BRIDGE_KAFKA__SSL_CERTFILE": str(files.client_certificate),
        "BRIDGE_KAFKA__SSL_KEYFILE": str(files.client_key),
        "BRIDGE_KAFKA__REQUEST_TIMEOUT_SECONDS": "5",
    }
    with broker, Rig(broker.bootstrap, topic, tmp_path, partitions=2, **tls) as rig:
        receiver, worker = rig.receiver(), rig.worker()
        rig.post_numbers(range(10))
        rig.wait_drained()
        broker.stop()
        make_certificates(files.ca.parent)
        broker.start()
        began = time.monotonic()

        def posted() -> bool:
            return rig.post(batch([event(100)])).status_code == 200

        eventually(posted, within=60, what="the receiver stores events again", every=1)
        eventually(lambda: len(rig.emulator.accepted()) == 11, within=60, what="the worker delivers again", every=0.5)
        assert time.monotonic() - began < 60
        assert receiver.alive
        assert worker.alive
        told = [line["event"] for line in worker.log_lines()]
        assert "tls_files_read_again" in told
