"""TLS files that are renewed under the same names are read by the next connection; half-written ones do no harm."""

from __future__ import annotations

import shutil
import ssl

import pytest
from structlog.testing import capture_logs

from bridge.kafka.connection import tls_context as kafka_context
from bridge.model.errors import SettingsError
from bridge.settings import KafkaSettings, ReceiverSettings
from bridge.sources.http.listener import tls_context as receiver_context
from bridge.testing.kafka.certificates import make_certificates


def shake(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """A handshake in memory; raises what either side has to say."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_side=False, server_hostname="localhost"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    # In TLS 1.3 a server refuses a client's certificate after the client has finished.
    for side in sides:
        try:
            side.read()
        except ssl.SSLWantReadError:
            continue


@pytest.fixture
def both(tmp_path):
    """Files, a client of Kafka's and a receiver that asks for client certificates, both made once."""
    files = make_certificates(tmp_path)
    kafka = KafkaSettings(
        security_protocol="SSL",
        ssl_cafile=files.ca,
        ssl_certfile=files.client_certificate,
        ssl_keyfile=files.client_key,
    )
    receiver = ReceiverSettings(host="127.0.0.1", tls_certfile=files.broker_bundle, tls_client_cafile=files.ca)
    return tmp_path, kafka_context(kafka), receiver_context(receiver)


def test_renewed_files_are_read_by_both_sides(both) -> None:
    """A new authority with all that it signs, under the same names: the next connection uses it, and it alone is trusted."""
    directory, client, server = both
    old = directory / "old"
    shutil.copytree(directory, old)
    shake(client, server)
    make_certificates(directory)
    with capture_logs() as logged:
        shake(client, server)
        shake(client, server)
    assert [each["event"] for each in logged] == ["tls_files_read_again"] * 2, "once a side, not once a connection"
    before = receiver_context(
        ReceiverSettings(host="127.0.0.1", tls_certfile=old / "broker.pem", tls_client_cafile=old / "ca.pem")
    )
    with pytest.raises(ssl.SSLError):
        shake(client, before)


def test_one_side_alone_fails_until_the_other_is_renewed(both) -> None:
    """The check can fail: a client that kept its old authority refuses the new certificate."""
    directory, client, server = both
    client._seen = "frozen"
    client._current = lambda: None
    make_certificates(directory)
    with pytest.raises(ssl.SSLError):
        shake(client, server)


@pytest.mark.parametrize("name", ["client.key", "client.pem", "ca.pem"])
def test_a_file_that_is_half_written_leaves_the_one_before_in_use(both, name) -> None:
    """A renewal under way, or gone wrong: told once, connections go on, and the finished file is read."""
    directory, client, server = both
    whole = (directory / name).read_bytes()
    (directory / name).write_bytes(whole[: len(whole) // 2])
    with capture_logs() as logged:
        shake(client, server) if name != "ca.pem" else client._current()
        client._current()
    told = [each["event"] for each in logged if "kafka" in each.get("error", "").lower()]
    assert told == ["tls_files_unusable"]
    (directory / name).write_bytes(whole)
    shake(client, server)
    (directory / name).unlink()
    assert client._current() is not None, "a file that is away for a moment changes nothing"


def test_a_link_that_points_elsewhere_counts_as_a_change(tmp_path) -> None:
    """Secrets that are mounted are exchanged by turning a link."""
    first, second = make_certificates(tmp_path / "1"), make_certificates(tmp_path / "2")
    link = tmp_path / "ca.pem"
    link.symlink_to(first.ca)
    client = kafka_context(KafkaSettings(security_protocol="SSL", ssl_cafile=link))
    server = receiver_context(ReceiverSettings(host="127.0.0.1", tls_certfile=second.broker_bundle))
    with pytest.raises(ssl.SSLError):
        shake(client, server)
    link.unlink()
    link.symlink_to(second.ca)
    shake(client, server)


def test_a_receivers_files_are_named_by_its_settings(tmp_path) -> None:
    """What cannot be used at the start names the receiver's variable."""
    files = make_certificates(tmp_path)
    (tmp_path / "garbage.pem").write_text("garbage")
    for given, name in (
        ({"tls_certfile": tmp_path / "garbage.pem"}, "BRIDGE_RECEIVER__TLS_CERTFILE"),
        (
            {"tls_certfile": files.client_certificate, "tls_keyfile": tmp_path / "nowhere"},
            "BRIDGE_RECEIVER__TLS_KEYFILE",
        ),
        (
            {"tls_certfile": files.broker_bundle, "tls_client_cafile": tmp_path / "garbage.pem"},
            "BRIDGE_RECEIVER__TLS_CLIENT_CAFILE",
        ),
    ):
        with pytest.raises(SettingsError, match=name):
            receiver_context(ReceiverSettings(host="127.0.0.1", **given))
