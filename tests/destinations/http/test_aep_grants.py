"""Asking IMS for a token and reading its answer; secrets while rotating."""

from __future__ import annotations

from urllib.parse import parse_qs

import orjson
import pytest

from bridge.destinations.http.grants import (
    ASSUMED_LIFETIME,
    LONGEST_LIFETIME,
    Granted,
    GrantRefused,
    Unavailable,
    read_grant,
    token_request,
)
from bridge.destinations.http.secrets import Secrets
from bridge.model.errors import SettingsError
from bridge.settings import OauthSettings


def read(status, document=None, **headers):
    """What this answer of IMS means."""
    return read_grant(status, {k.replace("_", "-"): v for k, v in headers.items()}, orjson.dumps(document), now=0.0)


def test_request_as_documented():
    """Client credentials in the form body, scopes joined with commas and without blanks."""
    headers, body = token_request("https://ims/token/v3", client_id="id", secret="s&+c", scopes=[" openid", "AdobeID "])
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["id"],
        "client_secret": ["s&+c"],
        "scope": ["openid,AdobeID"],
    }


def test_documented_answer():
    """expires_in is in seconds."""
    assert read(200, {"access_token": "abc", "token_type": "bearer", "expires_in": 86399}) == Granted("abc", 86399.0)


@pytest.mark.parametrize(
    ("expires_in", "lifetime"), [("3600", 3600.0), (86_399_000, LONGEST_LIFETIME), (None, ASSUMED_LIFETIME), (1.5, 1.5)]
)
def test_lifetimes(expires_in, lifetime):
    """A quoted number, milliseconds as older IMS gave, nothing, a fraction."""
    assert read(200, {"access_token": "abc", "expires_in": expires_in}) == Granted("abc", lifetime)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"access_token": ""},
        {"access_token": "a b"},
        {"access_token": "a\r\nX: y"},
        {"access_token": "é"},
        {"access_token": 5},
        {"access_token": "a", "expires_in": 0},
        {"access_token": "a", "expires_in": True},
        {"access_token": "a", "expires_in": "soon"},
        {"access_token": "a", "expires_in": "inf"},
        {"access_token": "a", "expires_in": []},
    ],
)
def test_unusable_tokens_are_asked_for_again(document):
    """A 200 without a token that could stand in a header, or already dead, is no token."""
    assert isinstance(read(200, document), Unavailable)


def test_refusals_tell_secrets_from_the_rest():
    """invalid_client may be cured by the other secret, invalid_scope may not."""
    assert read(400, {"error": "invalid_client", "error_description": "bad"}) == GrantRefused(
        "IMS answered 400 (invalid_client: bad)", secret_suspect=True
    )
    assert read(401) == GrantRefused("IMS answered 401", secret_suspect=True)
    assert read(400, {"error": "invalid_scope"}) == GrantRefused(
        "IMS answered 400 (invalid_scope)", secret_suspect=False
    )
    assert read(200, {"error": "unauthorized_client"}) == GrantRefused(
        "IMS answered 200 (unauthorized_client)", secret_suspect=True
    )


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_passes_is_asked_again(status):
    """Throttling and outages are not refusals; Retry-After is kept."""
    assert read(status, retry_after="7") == Unavailable(f"IMS answered {status}", 7.0)


def test_a_token_is_not_shown():
    """The repr of a grant has no token in it."""
    assert "abc" not in repr(Granted("abc", 1.0))


def test_two_secrets_the_working_one_first():
    """Both are tried while rotating, and the one that worked leads from then on."""
    secrets = Secrets(OauthSettings(client_secret="old, new"))
    assert list(secrets) == ["old", "new"]
    secrets.prefer("new")
    assert list(secrets) == ["new", "old"]
    assert secrets.redact("not new, not old") == "not […], not […]"
    assert not secrets.reload()


def test_secret_file_is_read_again(tmp_path):
    """A mounted file wins over the variable, and a changed one is taken; a vanished one keeps the old."""
    file = tmp_path / "ims"
    file.write_text("first\n")
    secrets = Secrets(OauthSettings(client_secret="unused", client_secret_file=file))
    assert list(secrets) == ["first"]
    assert not secrets.reload()
    file.write_text("first\nsecond\n")
    assert secrets.reload()
    assert list(secrets) == ["first", "second"]
    file.unlink()
    assert not secrets.reload()
    assert list(secrets) == ["first", "second"]


def test_unreadable_secret_file_stops_the_start(tmp_path):
    """The error names the variable and the file."""
    with pytest.raises(SettingsError, match=r"BRIDGE_OAUTH__CLIENT_SECRET_FILE: .*gone"):
        Secrets(OauthSettings(client_secret_file=tmp_path / "gone"))


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf\r\n", b" \n\n", b'""\n', "\u200b".encode(), b"", b"\xff\xfe\xfa"])
def test_secret_file_without_a_secret_stops_the_start(content, tmp_path):
    """Nothing but marks and blanks is no secret, however the file was made."""
    file = tmp_path / "ims"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match="holds no secret"):
        Secrets(OauthSettings(client_secret_file=file))


def test_secret_file_with_the_example_stops_the_start(tmp_path):
    """A file that was copied and never filled in is told at the start, not by IMS."""
    file = tmp_path / "ims"
    file.write_text("p8e-change-me\n")
    with pytest.raises(SettingsError, match=r"BRIDGE_OAUTH__CLIENT_SECRET_FILE: .*still holds the example"):
        Secrets(OauthSettings(client_secret_file=file))
