"""In which forms may names, lists and numbers be written, and which marks around them are no part of them?"""

from __future__ import annotations

import pytest

from bridge.model.errors import SettingsError
from bridge.settings import load_settings

pytestmark = pytest.mark.usefixtures("clean")


@pytest.mark.parametrize("around", ["{}\r\n", '"{}"', "'{}'", "\ufeff{}", " {} "])
@pytest.mark.parametrize(
    "name",
    [
        *("OAUTH__CLIENT_ID", "OAUTH__TECHNICAL_ACCOUNT_ID", "AEP__SCHEMA_ID", "AEP__DATASET_ID", "AEP__FLOW_ID"),
        *("AEP__SANDBOX", "KAFKA__GROUP", "RECEIVER__HOST", "MOENGAGE__WORKSPACE_ID", "RECEIVER__CLIENT_ID"),
    ],
)
def test_names_and_ids_are_taken_without_what_files_put_around_them(name, around, monkeypatch) -> None:
    """The other side knows none that has quotes or a line end."""
    section, key = name.lower().split("__")
    monkeypatch.setenv(f"BRIDGE_{name}", around.format("abc"))
    assert getattr(getattr(load_settings(), section), key) == "abc"
    monkeypatch.setenv(f"BRIDGE_{name}", around.format("\u200b"))
    with pytest.raises(SettingsError, match=f"BRIDGE_{name}: .* is blank"):
        load_settings()


@pytest.mark.parametrize("name", ["KAFKA__BOOTSTRAP_SERVERS", "MAPPING__PRIMARY_IDENTITY", "MPARTICLE__EVENT_TYPES"])
@pytest.mark.parametrize("value", ['"abc"', "'abc'", 'abc,"de"'])
def test_quoted_lists_are_refused_by_name(name, value, monkeypatch) -> None:
    """A list of names has no quotes in it, unless it is a JSON array."""
    monkeypatch.setenv(f"BRIDGE_{name}", value)
    with pytest.raises(SettingsError, match=f"BRIDGE_{name}: expected names with commas between"):
        load_settings()


@pytest.mark.parametrize("text", ["crm, Email", '["crm", "Email"]'])
def test_names_are_commas_or_a_json_array(text, monkeypatch) -> None:
    """A list of names reads the same in both of the forms that people write."""
    monkeypatch.setenv("BRIDGE_MAPPING__PRIMARY_IDENTITY", text)
    assert load_settings().mapping.primary_identity == ("crm", "Email")


@pytest.mark.parametrize(
    "given",
    [
        "openid AdobeID session",
        "openid,AdobeID,session",
        "openid, AdobeID  session",
        '["openid","AdobeID","session"]',
        '"openid,AdobeID session"',
        "openid\tAdobeID\nsession",
        "openid;AdobeID; session",
        '"openid","AdobeID",\'session\'',
        '["openid AdobeID","session"]',
        "openid,AdobeID,session,openid",
    ],
)
def test_scopes_by_commas_or_blanks(given, monkeypatch) -> None:
    """OAuth separates scopes by blanks, Adobe by commas: both are read."""
    monkeypatch.setenv("BRIDGE_OAUTH__SCOPES", given)
    assert load_settings().oauth.scopes == ("openid", "AdobeID", "session")


@pytest.mark.parametrize(
    ("given", "taken"), [("2", 2), (" 0 ", 0), ("10.0.0.0/8", ("10.0.0.0/8",)), ("10.1.1.1, ::1", ("10.1.1.1", "::1"))]
)
def test_proxies_by_number_or_network(given, taken, monkeypatch) -> None:
    """A number is how many there are; anything else is where they are."""
    monkeypatch.setenv("BRIDGE_RECEIVER__TRUSTED_PROXIES", given)
    assert load_settings().receiver.trusted_proxies == taken
