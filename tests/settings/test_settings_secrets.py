"""What is a secret, what only stands in its place, and who never gets to read it?"""

from __future__ import annotations

import pytest

from bridge.model.errors import SettingsError
from bridge.settings import ReceiverSettings, every_setting, load_settings

pytestmark = pytest.mark.usefixtures("clean")


@pytest.mark.parametrize("value", ["two\nlines", "a\tb", "a\x7f", "a\x00b"])
def test_a_secret_that_no_header_can_hold_is_refused(value) -> None:
    """Every request would be answered 401."""
    with pytest.raises(ValueError, match="no header can have this value"):
        ReceiverSettings(auth="header", header_value=value)


def test_complaints_never_quote_secrets(monkeypatch) -> None:
    """A complaint about one key does not show another, nor a secret's value."""
    for name in every_setting():
        if any(word in name for word in ("PASSWORD", "SECRET", "HEADER_VALUE")) and "FILE" not in name:
            monkeypatch.setenv(name, "hunter2")
    monkeypatch.setenv("BRIDGE_RECEIVER__PORT", "abc")
    monkeypatch.setenv("BRIDGE_RECEIVER__AUTH", "basic")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)
    monkeypatch.delenv("BRIDGE_RECEIVER__PORT")
    monkeypatch.setenv("BRIDGE_RECEIVER__USERNAME", "x")
    assert "hunter2" not in repr(load_settings())


@pytest.mark.parametrize("given", ["s1", " s1\n", '"s1"', "'s1'", "\ufeffs1\r\n", ' " s1 " '])
def test_secrets_are_taken_without_what_files_put_around_them(given, monkeypatch) -> None:
    """Quotes that docker keeps, byte order marks and line ends are no part of a secret, wherever it stands."""
    for name in ("OAUTH__CLIENT_SECRET", "RECEIVER__HEADER_VALUE", "RECEIVER__PASSWORD", "KAFKA__SASL_PASSWORD"):
        monkeypatch.setenv(f"BRIDGE_{name}", given)
    settings = load_settings()
    for secret in (
        settings.oauth.client_secret,
        settings.receiver.header_value,
        settings.receiver.password,
        settings.kafka.sasl_password,
    ):
        assert secret is not None
        assert secret.get_secret_value() == "s1"


@pytest.mark.parametrize("given", ['"moengage"', "moengage\n", "\ufeff moengage"])
def test_users_are_taken_as_leniently_as_their_secrets(given, monkeypatch) -> None:
    """What surrounds a user's name in a file is no part of it either: else every batch would be answered 401."""
    for name in ("RECEIVER__USERNAME", "KAFKA__SASL_USERNAME"):
        monkeypatch.setenv(f"BRIDGE_{name}", given)
    settings = load_settings()
    assert settings.receiver.username == settings.kafka.sasl_username == "moengage"


@pytest.mark.parametrize("name", ["OAUTH__CLIENT_SECRET", "RECEIVER__USERNAME", "KAFKA__SASL_USERNAME"])
@pytest.mark.parametrize(
    "blank", ["  ", '""', "\ufeff", "\u200b", "' '", '"\ufeff"', "\u00ad", "\x7f", "\u200e", "'\"\"'"]
)
def test_blank_credentials_are_refused(name, blank, monkeypatch) -> None:
    """A template that came out blank is told at the start, by the name of its variable."""
    monkeypatch.setenv(f"BRIDGE_{name}", blank)
    with pytest.raises(SettingsError, match=f"BRIDGE_{name}: .* is blank"):
        load_settings()


@pytest.mark.parametrize(
    "left",
    [
        *(
            "Change Me",
            "change_me_now",
            "<change-me>",
            "change\u2011me",
            "ｃｈａｎｇｅ-ｍｅ",
            "please-change-me",
            "changeit",
        ),
        *("REPLACE_ME", "your-client-secret", "<password>", "${PASSWORD}", "$PASSWORD", "{{ password }}", "%PASSWORD%"),
        *(
            "your-secret-here",
            "YOUR_CLIENT_SECRET",
            "enter your password",
            "secret-goes-here",
            "insert-token",
        ),
        *("xxxx", "XXX-XXX", "TODO", "placeholder"),
    ],
)
def test_what_was_never_filled_in_is_no_secret(left, monkeypatch) -> None:
    """Examples of any spelling, and places of templates that nobody has filled, are refused by the name of their variable."""
    monkeypatch.setenv("BRIDGE_RECEIVER__AUTH", "header")
    monkeypatch.setenv("BRIDGE_RECEIVER__HEADER_VALUE", left)
    with pytest.raises(SettingsError, match="BRIDGE_RECEIVER__HEADER_VALUE is still the example"):
        load_settings()


@pytest.mark.parametrize(
    "value",
    [
        "hunter2",
        "exchange-rate",
        "<a>b",
        "$ecret",
        "pa${x",
        "100%",
        "secret-changes-me",
        "your",
        "hereby",
        "xx",
        "yours-keyless",
    ],
)
def test_a_secret_that_only_looks_a_little_so_is_one(value, monkeypatch) -> None:
    """Real secrets may hold such marks and words."""
    monkeypatch.setenv("BRIDGE_RECEIVER__AUTH", "header")
    monkeypatch.setenv("BRIDGE_RECEIVER__HEADER_VALUE", value)
    assert load_settings().receiver.header_value.get_secret_value() == value


@pytest.mark.parametrize(
    "given", ["user:pa55word@kafka:9092", "sasl://user:pa55word@kafka:9092", "kafka:9092,u:pa55word@k:x"]
)
def test_credentials_among_the_brokers_are_not_shown(given, monkeypatch) -> None:
    """Other tools take them there: the error says where they go, and nobody reads them in a log."""
    monkeypatch.setenv("BRIDGE_KAFKA__BOOTSTRAP_SERVERS", given)
    with pytest.raises(SettingsError, match="BRIDGE_KAFKA__SASL_PASSWORD") as failure:
        load_settings()
    assert "pa55word" not in str(failure.value)
