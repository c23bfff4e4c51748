"""Brokers that cannot be reached: each cause in its own words."""

import asyncio
import socket

import pytest

from bridge.kafka import reaching
from bridge.kafka.reaching import Reach, reach, why
from bridge.kafka.topics import admin
from bridge.model.errors import KafkaError
from bridge.settings import KafkaSettings


@pytest.fixture
def closed_port():
    """A port of this machine at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]


@pytest.fixture
def patient(monkeypatch):
    """What answers at once counts as open or closed also where the machine stands still for longer than a silent broker is waited for."""
    monkeypatch.setattr(reaching, "_PATIENCE", 60.0)


def _raises(error):
    async def connect(*_address):
        raise error

    return connect


@pytest.mark.parametrize(
    ("error", "how"),
    [
        (socket.gaierror(-2, "Name or service not known"), Reach.UNKNOWN),
        (ConnectionRefusedError(111, "Connection refused"), Reach.REFUSED),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed, connection refused"), Reach.REFUSED),
        (TimeoutError(), Reach.SILENT),
        (OSError(113, "No route to host"), Reach.BROKEN),
    ],
)
async def test_each_cause_is_told_apart(error, how):
    """A name that is not known, a closed port, silence, a network that refuses."""
    assert await reach("kafka:9092", connect=_raises(error)) is how


@pytest.mark.parametrize(
    ("server", "address"),
    [
        ("kafka:9093", ("kafka", 9093)),
        ("kafka", ("kafka", 9092)),
        ("[::1]:9093", ("::1", 9093)),
        ("[::1]", ("::1", 9092)),
    ],
)
async def test_the_address_is_read_as_the_client_reads_it(server, address):
    """Host and port, Kafka's own port where none is given, IPv6 in brackets."""
    asked = []

    async def connect(*given):
        asked.append(given)
        raise ConnectionRefusedError

    await reach(server, connect=connect)
    assert asked == [address]


async def test_a_server_that_is_no_broker(closed_port, patient):
    """One takes connections, the other does not: the hint speaks of the protocol, and of TLS and SASL where they are in use."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    told, hint = await why([f"127.0.0.1:{port}", f"127.0.0.1:{closed_port}"], "SASL_SSL")
    assert f"127.0.0.1:{port}: it accepts connections" in told
    assert f"127.0.0.1:{closed_port}: nothing listens there" in told
    for name in ("BRIDGE_KAFKA__SECURITY_PROTOCOL", "BRIDGE_KAFKA__SSL_CAFILE", "BRIDGE_KAFKA__SASL_MECHANISM"):
        assert name in hint
    _, hint = await why([f"127.0.0.1:{port}"], "PLAINTEXT")
    assert "SSL_CAFILE" not in hint
    assert "SASL" not in hint
    server.close()


async def test_the_admin_client_says_that_nothing_listens(closed_port, patient):
    """What check, worker and receiver print: the address and a question, not a list of address families."""
    with pytest.raises(KafkaError) as told:
        async with admin(KafkaSettings(bootstrap_servers=(f"127.0.0.1:{closed_port}",))):
            pass
    assert str(told.value) == f"Kafka at 127.0.0.1:{closed_port} (PLAINTEXT): nothing listens there; is Kafka running?"
    assert "BRIDGE_KAFKA__BOOTSTRAP_SERVERS" in told.value.hint
