"""Who may post: credentials, addresses, rates."""

from __future__ import annotations

import base64

import pytest

from bridge.model.errors import SettingsError
from bridge.settings import ReceiverSettings
from bridge.sources.http.access import EGRESS, Admission, Places, networks
from bridge.sources.http.auth import authenticator, refuse_open


def basic(text: str | bytes) -> dict[str, str]:
    """An Authorization header."""
    raw = text.encode() if isinstance(text, str) else text
    return {"Authorization": "Basic " + base64.b64encode(raw).decode()}


@pytest.mark.parametrize(
    ("headers", "admitted"),
    [
        (basic("moengage:pä:ss"), True),
        ({"Authorization": basic("moengage:pä:ss")["Authorization"].replace("Basic", "bASIC")}, True),
        ({"Authorization": basic("moengage:pä:ss")["Authorization"].rstrip("=")}, True),
        ({"Authorization": basic("moengage:pä:ss")["Authorization"].replace(" ", "\t ")}, True),
        (basic("moengage:pä:ss".encode("latin-1")), True),
        (basic("moengage:p?:ss"), False),
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


def test_a_letter_that_latin_1_lacks_is_never_a_question_mark() -> None:
    """Only a password that can be written so is read so."""
    check = authenticator(ReceiverSettings(auth="basic", username="moengage", password="p€ss-word"))
    assert check.admits(basic("moengage:p€ss-word"))
    assert not check.admits(basic("moengage:p?ss-word"))


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
        (("::ffff:10.0.0.0/104",), 0, "10.1.2.3", None, True),
        (("::ffff:10.0.0.0/104",), 0, "::ffff:11.1.2.3", None, False),
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


@pytest.mark.parametrize(
    "hop",
    [
        "3.6.251.95",
        "3.6.251.95:51008",
        " 3.6.251.95 ",
        '"3.6.251.95:51008"',
        "::ffff:3.6.251.95",
        "[::ffff:3.6.251.95]",
        "[::ffff:3.6.251.95]:443",
        '"[::FFFF:3.6.251.95]:443"',
        "2001:db8::7",
        "[2001:db8::7]",
        "[2001:DB8::7]:51008",
        '"[2001:db8::7]:51008"',
        "2001:db8:0:0:0:0:0:7",
        "2001:db8:0:0:0:0:0:7:51008",
        "2001:db8::7%eth0",
        "[2001:db8::7%25eth0]:443",
    ],
)
def test_every_form_of_a_hop_is_read(hop) -> None:
    """Gateways add ports, brackets and quotes to the address they saw."""
    admission = Admission(networks=networks(["dc-03", "2001:db8::7"]), proxies=1)
    assert admission.allows("10.0.0.1", hop)
    assert admission.allows("10.0.0.1", f"198.51.100.1,, {hop},")
    assert not admission.allows("10.0.0.1", f"{hop}, 198.51.100.1:1")


@pytest.mark.parametrize("hop", ["", "unknown", "_hidden", "3.6.251", "3.6.251.95:1:2", "[]:1", "for=3.6.251.95"])
def test_what_is_no_address_is_not_admitted(hop) -> None:
    """Nothing is guessed: an unreadable hop names nobody."""
    assert Admission(networks=networks(["dc-03"]), proxies=1).allows("10.0.0.1", hop) is False


@pytest.mark.parametrize(
    ("peer", "forwarded", "allowed"),
    [
        ("10.0.0.1", "3.6.251.95", True),
        ("10.0.0.1", "203.0.113.9, 3.6.251.95:443, 10.1.1.1", True),
        ("192.0.2.7", "3.6.251.95, [::ffff:10.0.0.9]:5", True),
        ("203.0.113.9", "3.6.251.95", False),
        ("3.6.251.95", "203.0.113.9", True),
        ("10.0.0.1", "3.6.251.95, 203.0.113.9", False),
        ("10.0.0.1", None, False),
        ("10.0.0.1", "3.6.251.95, unknown", False),
        (None, "3.6.251.95", False),
    ],
)
def test_proxies_by_their_networks(peer, forwarded, allowed) -> None:
    """Only what a trusted proxy says is believed: who reaches the port directly is who he is."""
    settings = ReceiverSettings(allow_from="moengage", trusted_proxies="10.0.0.0/8, 192.0.2.7")
    assert Admission.of(settings).allows(peer, forwarded) is allowed


def test_places_are_counted_by_address() -> None:
    """One address has its bound, an IPv6 neighbour counts as the same, proxies have none, and places are given back."""
    places = Places(2, Admission(proxies=networks(["10.0.0.0/8"])))
    first = places.acquire("203.0.113.9")
    assert first is not None
    assert places.acquire("::ffff:203.0.113.9") is not None
    assert places.acquire("203.0.113.9") is None
    assert places.acquire("203.0.113.10") is not None
    assert all(places.acquire("10.0.0.1") is not None for _ in range(5))
    places.release(first)
    assert places.acquire("203.0.113.9") is not None
    assert [places.acquire(f"2001:db8::{n}") is not None for n in range(3)] == [True, True, False]
    assert all(Places(0, Admission()).acquire("203.0.113.9") is not None for _ in range(5))
    assert all(Places(1, Admission(proxies=1)).acquire("203.0.113.9") is not None for _ in range(5))


@pytest.mark.parametrize(
    ("kind", "headers", "words"),
    [
        ("basic", {}, "no Authorization header"),
        ("basic", basic("moengage:wrong-secret"), "user 'moengage' with a wrong password"),
        ("basic", basic("other:wrong-secret"), "user 'other'"),
        ("basic", basic("wrong-secret"), "Basic that is not a user and password in base64"),
        ("basic", basic("its-password"), "Basic that is not a user and password in base64"),
        ("basic", basic("its-password:"), "the password in the user's place"),
        ("basic", basic("its-password:moengage"), "the password in the user's place"),
        ("basic", basic("moengage its-password:"), "the password in the user's place"),
        ("basic", {"Authorization": "Basic wrong-secret!"}, "Basic that is not a user and password in base64"),
        ("basic", {"Authorization": "Bearer wrong-secret"}, "Authorization of another kind (bearer)"),
        ("basic", {"Authorization": "wrong-secret"}, "Authorization of another kind (unknown)"),
        ("header", {}, "no X-Api-Key header"),
        ("header", {"X-Api-Key": "wrong-secret"}, "a wrong value of X-Api-Key"),
    ],
)
def test_what_was_given_is_told_without_secrets(kind, headers, words) -> None:
    """The log says what MoEngage sends in place of what it should, and never a password."""
    check = authenticator(
        ReceiverSettings(auth=kind, username="moengage", password="its-password", header_value="right")
    )
    assert not check.admits(headers)
    assert check.given(headers) == words


@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
@pytest.mark.parametrize("given", ["Schlüssel-1:", "Schlüssel-1:moengage", "moengage Schlüssel-1:"])
def test_a_password_in_the_users_place_is_known_in_each_charset(charset, given) -> None:
    """Whatever charset a sender writes letters beyond ASCII in, the log does not quote it."""
    check = authenticator(ReceiverSettings(auth="basic", username="moengage", password="Schlüssel-1"))
    assert check.given(basic(given.encode(charset))) == "the password in the user's place"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "receiver.example"])  # noqa: S104 - it is about them
def test_open_to_all_has_to_be_said(host) -> None:
    """Without a word about credentials the receiver does not start where others reach it."""
    with pytest.raises(SettingsError, match="BRIDGE_RECEIVER__AUTH is not set"):
        refuse_open(ReceiverSettings(host=host))
    refuse_open(ReceiverSettings(host=host, auth="none"))
    refuse_open(ReceiverSettings(host=host, auth="header", header_value="k-1"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_this_machine_needs_no_credentials(host) -> None:
    """On the loopback unset is none."""
    refuse_open(ReceiverSettings(host=host))


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
