"""Who may post: credentials, addresses, rates."""

from __future__ import annotations

import base64

import pytest

from bridge.moengage.access import EGRESS, Admission, networks
from bridge.moengage.auth import authenticator
from bridge.settings import ReceiverSettings


def basic(text: str | bytes) -> dict[str, str]:
    """An Authorization header."""
    raw = text.encode() if isinstance(text, str) else text
    return {"Authorization": "Basic " + base64.b64encode(raw).decode()}


@pytest.mark.parametrize(
    ("headers", "admitted"),
    [
        (basic("moengage:pä:ss"), True),
        ({"Authorization": basic("moengage:pä:ss")["Authorization"].replace("Basic", "bASIC")}, True),
        (basic("moengage:pä:s"), False),
        (basic("moengage:pä:sss"), False),
        (basic("other:pä:ss"), False),
        (basic(b"\xff\xfe"), False),
        (basic(""), False),
        ({}, False),
        ({"Authorization": "Bearer x"}, False),
        ({"Authorization": "Basic"}, False),
        ({"Authorization": "Basic ***"}, False),
        ({"Authorization": "Basic \udcff"}, False),
    ],
)
def test_basic(headers, admitted) -> None:
    """Only the very user and password are admitted; whatever else arrives is refused without an error."""
    check = authenticator(ReceiverSettings(auth="basic", username="moengage", password="pä:ss"))
    assert check.admits(headers) is admitted
    assert check.challenge.startswith("Basic ")


@pytest.mark.parametrize(
    ("headers", "admitted"),
    [
        ({"X-Key": "k-1"}, True),
        ({"X-Key": "k-2"}, False),
        ({"X-Key": "\udcff"}, False),
        ({}, False),
        ({"X-Key": ""}, False),
    ],
)
def test_static_header(headers, admitted) -> None:
    """Only the very value of the configured header is admitted."""
    check = authenticator(ReceiverSettings(auth="header", header_name="X-Key", header_value="k-1"))
    assert check.admits(headers) is admitted


def test_none_admits_all() -> None:
    """Without auth nobody is asked."""
    assert authenticator(ReceiverSettings()).admits({})


@pytest.mark.parametrize(
    ("names", "proxies", "peer", "forwarded", "allowed"),
    [
        ((), 0, "203.0.113.9", None, True),
        (("moengage",), 0, "3.6.251.95", None, True),
        (("moengage",), 0, "::ffff:3.6.251.95", None, True),
        (("moengage",), 0, "203.0.113.9", None, False),
        (("dc-03",), 0, "3.6.251.95", None, True),
        (("dc-03",), 0, "52.6.248.125", None, False),
        (("10.0.0.0/8", "2001:db8::/32"), 0, "10.1.2.3", None, True),
        (("10.0.0.0/8", "2001:db8::/32"), 0, "2001:db8::1", None, True),
        (("10.0.0.0/8",), 0, "2001:db8::1", None, False),
        (("10.0.0.0/8",), 0, None, None, False),
        (("10.0.0.0/8",), 0, "203.0.113.9", "10.1.2.3", False),
        (("moengage",), 1, "10.0.0.1", "3.6.251.95", True),
        (("moengage",), 1, "10.0.0.1", "3.6.251.95, 203.0.113.9", False),
        (("moengage",), 2, "10.0.0.1", "203.0.113.9, 3.6.251.95, 10.0.0.2", True),
        (("moengage",), 2, "10.0.0.1", "3.6.251.95", False),
        (("moengage",), 1, "3.6.251.95", None, False),
        (("moengage",), 1, "10.0.0.1", "nonsense", False),
    ],
)
def test_addresses(names, proxies, peer, forwarded, allowed) -> None:
    """The peer decides, or what the last trusted proxy saw; a client's own X-Forwarded-For never does."""
    assert Admission(networks=networks(names), proxies=proxies).allows(peer, forwarded) is allowed


def test_every_data_centre_is_in_the_preset() -> None:
    """The preset holds each published address."""
    assert len(networks(["moengage"])) == len(EGRESS) == 6


def test_rate() -> None:
    """A burst of one second goes on, then requests go on at the rate."""
    now = [0.0]
    admission = Admission(requests_per_second=2, clock=lambda: now[0])
    assert [admission.wait_seconds() for _ in range(3)] == [0, 0, 0.5]
    now[0] = 0.25
    assert admission.wait_seconds() == pytest.approx(0.25)
    now[0] = 0.5
    assert admission.wait_seconds() == 0
    now[0] = 100
    assert [admission.wait_seconds() for _ in range(3)] == [0, 0, 0.5]
