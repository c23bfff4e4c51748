"""Wrong settings stop the start with their name, what was expected and an example."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from examples import examples
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st

from bridge.model.errors import SettingsError
from bridge.settings import Settings, every_setting, load_settings


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path) -> None:
    """No variable of ours and no file."""
    for name in os.environ:
        if name.upper().startswith("BRIDGE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"MAPPING__PLACEHOLDERS": "{bad"}, ["BRIDGE_MAPPING__PLACEHOLDERS: expected JSON; for example"]),
        ({"MAPPING__PLACEHOLDERS": "[1]"}, ["BRIDGE_MAPPING__PLACEHOLDERS: ", "dictionary", "for example"]),
        (
            {"RECEIVER__PORT": "abc", "AEP__CONCURRENCY": "0"},
            ["BRIDGE_RECEIVER__PORT: Input should be a valid integer", "=8080", "BRIDGE_AEP__CONCURRENCY: "],
        ),
        ({"KAFKA__REQUEST_TIMEOUT_SECONDS": "inf"}, ["BRIDGE_KAFKA__REQUEST_TIMEOUT_SECONDS: ", "finite", "=30"]),
        ({"WORKER__DRAIN_SECONDS": "nan"}, ["BRIDGE_WORKER__DRAIN_SECONDS: ", "=20"]),
        ({"MAPPING__RELOAD_SECONDS": "inf"}, ["BRIDGE_MAPPING__RELOAD_SECONDS: ", "finite"]),
        ({"KAFKA__BOOTSTRAP_SERVERS": ","}, ["BRIDGE_KAFKA__BOOTSTRAP_SERVERS: ", "at least 1"]),
        ({"KAFKA__BOOTSTRAP_SERVERS": "a:9092,b:kafka"}, ["BRIDGE_KAFKA__BOOTSTRAP_SERVERS: b:kafka is not host:port"]),
        ({"KAFKA__BOOTSTRAP_SERVERS": "kafka://a:9092"}, ["BRIDGE_KAFKA__BOOTSTRAP_SERVERS: kafka://a:9092 is no"]),
        ({"KAFKA__TOPIC": "moengage events"}, ["BRIDGE_KAFKA__TOPIC: ", "pattern", "=moengage.events"]),
        (
            {"KAFKA__TOPIC": "one", "KAFKA__DEAD_LETTER_TOPIC": "one"},
            ["BRIDGE_KAFKA__DEAD_LETTER_TOPIC must be another than BRIDGE_KAFKA__TOPIC"],
        ),
        (
            {"RECEIVER__MAX_IN_FLIGHT_BYTES": "5000000"},
            ["BRIDGE_RECEIVER__MAX_IN_FLIGHT_BYTES must not be less than BRIDGE_RECEIVER__MAX_BODY_BYTES"],
        ),
        ({"KAFKA__CREATE_TOPICS": "perhaps"}, ["BRIDGE_KAFKA__CREATE_TOPICS: ", "boolean"]),
        ({"KAFKA__SECURITY_PROTOCOL": "sasl"}, ["'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL'"]),
        ({"KAFKA__TOPICS": "x"}, ["BRIDGE_KAFKA__TOPICS: no such setting; did you mean BRIDGE_KAFKA__TOPIC?"]),
        ({"KAFAK__TOPIC": "x"}, ["BRIDGE_KAFAK__TOPIC: no such setting; did you mean BRIDGE_KAFKA__TOPIC?"]),
        ({"NOPE": "x", "KAFKA": '{"topic": "x"}'}, ["BRIDGE_NOPE: no such", "BRIDGE_KAFKA: no such setting"]),
        ({"KAFKA__TOPIC__X": "x"}, ["BRIDGE_KAFKA__TOPIC__X: no such setting"]),
        ({"AEP__ENDPOINT": "https://x/collection/batch/id"}, ["BRIDGE_AEP__ENDPOINT: this is the batch endpoint"]),
        ({"AEP__ENDPOINT": "https://x/collection/id?a=b"}, ["BRIDGE_AEP__ENDPOINT: give the inlet's URL without ?"]),
        ({"RECEIVER__AUTH": "basic"}, ["BRIDGE_RECEIVER__USERNAME", "BRIDGE_RECEIVER__PASSWORD"]),
        ({"RECEIVER__AUTH": "header"}, ["BRIDGE_RECEIVER__HEADER_VALUE"]),
        (
            {"RECEIVER__AUTH": "header", "RECEIVER__HEADER_VALUE": "\n"},
            ["BRIDGE_RECEIVER__HEADER_VALUE: the secret is blank"],
        ),
        (
            {"RECEIVER__AUTH": "header", "RECEIVER__HEADER_VALUE": ' "" '},
            ["BRIDGE_RECEIVER__HEADER_VALUE: the secret is"],
        ),
        (
            {"RECEIVER__AUTH": "basic", "RECEIVER__USERNAME": "u", "RECEIVER__PASSWORD": "\ufeff \t"},
            ["BRIDGE_RECEIVER__PASSWORD: the secret is blank"],
        ),
        ({"OAUTH__CLIENT_SECRET": "' '"}, ["BRIDGE_OAUTH__CLIENT_SECRET: the secret is blank"]),
        (
            {"RECEIVER__AUTH": "basic", "RECEIVER__USERNAME": "u", "RECEIVER__PASSWORD": '"Change-Me"'},
            ["BRIDGE_RECEIVER__PASSWORD is still the example"],
        ),
        (
            {"RECEIVER__AUTH": "header", "RECEIVER__HEADER_VALUE": "change-me"},
            ["BRIDGE_RECEIVER__HEADER_VALUE is still the example"],
        ),
        (
            {
                "KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
                "KAFKA__SASL_USERNAME": "u",
                "KAFKA__SASL_PASSWORD": "change-me",
            },
            ["BRIDGE_KAFKA__SASL_PASSWORD is still the example"],
        ),
        ({"RECEIVER__TRUSTED_PROXIES": "-1"}, ["BRIDGE_RECEIVER__TRUSTED_PROXIES: "]),
        ({"RECEIVER__TRUSTED_PROXIES": "10.0.0.0/8,nginx"}, ["BRIDGE_RECEIVER__TRUSTED_PROXIES: 'nginx'"]),
        ({"KAFKA__SECURITY_PROTOCOL": "SASL_SSL"}, ["BRIDGE_KAFKA__SASL_USERNAME and BRIDGE_KAFKA__SASL_PASSWORD"]),
        ({"KAFKA__SSL_KEYFILE": "x"}, ["BRIDGE_KAFKA__SSL_KEYFILE needs BRIDGE_KAFKA__SSL_CERTFILE"]),
        ({"RECEIVER__TLS_KEYFILE": "x"}, ["BRIDGE_RECEIVER__TLS_CERTFILE"]),
        ({"RECEIVER__ALLOW_FROM": "moengage,banana"}, ["BRIDGE_RECEIVER__ALLOW_FROM: 'banana'", "for example"]),
    ],
)
def test_wrong_variables(variables, expected, monkeypatch) -> None:
    """Every complaint names its variable, says what was expected, and gives an example."""
    for name, value in variables.items():
        monkeypatch.setenv(f"BRIDGE_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert [part for part in expected if part not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        (".env", b"BRIDGE_KAFKA__TOPICS=x\n", "BRIDGE_KAFKA__TOPICS: no such setting"),
        (".env", b"BRIDGE_NOPE=x\n", "BRIDGE_NOPE: no such setting"),
        (".env", b"\xff\xfe\x00", ".env is not UTF-8"),
        (".env", b"A=1\n\n\nBRIDGE_KAFKA__TOPIC: x\n", ".env, line 4: expected NAME=value"),
        (".env", b"export BRIDGE_OAUTH__CLIENT_SECRET='p8e\n", ".env, line 1: expected NAME=value"),
        ("bridge.toml", b"\xff\xfe\x00", "bridge.toml is not UTF-8"),
        ("bridge.toml", b'\xef\xbb\xbf[kafka]\ntopic = "x"\n', "save it without a byte order mark"),
        ("bridge.toml", b"[kafka\n", "bridge.toml is not TOML"),
        ("bridge.toml", b'[kafka]\ntopics = "x"\n', "BRIDGE_KAFKA__TOPICS: no such setting"),
        ("bridge.toml", b'[kafkas]\ntopic = "x"\n', "BRIDGE_KAFKAS: no such setting"),
        ("bridge.toml", b"[kafka]\ntopic = 5\n", "BRIDGE_KAFKA__TOPIC: Input should be a valid string"),
        ("bridge.toml", b'kafka = "x"\n', "[kafka] in bridge.toml must be a section"),
    ],
)
def test_wrong_files(file, content, expected) -> None:
    """Files that cannot be used, and wrong keys in them, are told as variables are."""
    Path(file).write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert expected in str(caught.value)


def test_unreadable_file_is_told(monkeypatch) -> None:
    """A file that may not be read is named."""
    Path(".env").write_text("")

    def refuse(*_args, **_more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(SettingsError, match=r"\.env cannot be read: Permission denied"):
        load_settings()


def test_a_foreign_line_is_none_of_our_business() -> None:
    """A .env file serves other programs too."""
    Path(".env").write_text("what is this\nBRIDGE_KAFKA__TOPIC=mine\n")
    assert load_settings().kafka.topic == "mine"


def test_foreign_variables_are_none_of_our_business(monkeypatch) -> None:
    """Other programs' variables in .env and the environment are left alone; empty ones of ours count as unset."""
    Path(".env").write_text("POSTGRES_USER=x\nexport FOO='1'\nBRIDGE_KAFKA__TOPIC=from-file\nBRIDGE_AEP__FLOW_ID=\n")
    monkeypatch.setenv("BRIDGE_RECEIVER__PORT", "")
    monkeypatch.setenv("bridge_kafka__group", "lower")
    settings = load_settings()
    assert (settings.kafka.topic, settings.kafka.group) == ("from-file", "lower")
    assert (settings.receiver.port, settings.aep.flow_id) == (8080, None)


def test_strongest_source_wins(monkeypatch) -> None:
    """Overrides, environment, .env, bridge.toml, default, in this order and key by key."""
    Path("bridge.toml").write_text(
        '[kafka]\ntopic = "toml"\ngroup = "toml"\ndead_letter_topic = "toml"\npartitions = 3\n'
    )
    Path(".env").write_text(
        "BRIDGE_KAFKA__TOPIC=file\nBRIDGE_KAFKA__GROUP=file\nBRIDGE_KAFKA__DEAD_LETTER_TOPIC=file\n"
    )
    monkeypatch.setenv("BRIDGE_KAFKA__TOPIC", "environment")
    monkeypatch.setenv("BRIDGE_KAFKA__GROUP", "environment")
    kafka = load_settings(kafka={"topic": "override"}).kafka
    assert (kafka.topic, kafka.group, kafka.dead_letter_topic, kafka.partitions, kafka.replication_factor) == (
        "override",
        "environment",
        "file",
        3,
        1,
    )


@pytest.mark.parametrize("text", ["crm, Email", '["crm", "Email"]'])
def test_names_are_commas_or_a_json_array(text, monkeypatch) -> None:
    """A list of names reads the same in both of the forms that people write."""
    monkeypatch.setenv("BRIDGE_MAPPING__PRIMARY_IDENTITY", text)
    assert load_settings().mapping.primary_identity == ("crm", "Email")


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


_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@budget(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(150), deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(every_setting())), _text, max_size=4))
def test_any_values_give_settings_or_one_kind_of_error(values) -> None:
    """No text in any variable raises anything but SettingsError."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        try:
            told = load_settings()
        except SettingsError as error:
            told = str(error)
        assert isinstance(told, Settings) or "BRIDGE_" in told


@pytest.mark.parametrize("name", [".env", "bridge.toml"])
def test_a_directory_in_the_place_of_a_file_is_refused(name) -> None:
    """A container runtime makes one for a file that is not there to be mounted: every setting in it would be left out."""
    Path(name).mkdir()
    with pytest.raises(SettingsError, match=f"^{name} is a directory"):
        load_settings()


@budget(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(100), deadline=None)
@given(st.sampled_from([".env", "bridge.toml"]), st.binary(max_size=60) | _text.map(str.encode))
def test_any_file_gives_settings_or_one_kind_of_error(name, content) -> None:
    """No bytes in either file raise anything but SettingsError."""
    Path(name).write_bytes(content)
    try:
        load_settings()
    except SettingsError:
        pass
    finally:
        Path(name).unlink()


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
    "given",
    [
        "openid AdobeID session",
        "openid,AdobeID,session",
        "openid, AdobeID  session",
        '["openid","AdobeID","session"]',
        '"openid,AdobeID session"',
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
    ],
)
def test_what_was_never_filled_in_is_no_secret(left, monkeypatch) -> None:
    """Examples of any spelling, and places of templates that nobody has filled, are refused by the name of their variable."""
    monkeypatch.setenv("BRIDGE_RECEIVER__AUTH", "header")
    monkeypatch.setenv("BRIDGE_RECEIVER__HEADER_VALUE", left)
    with pytest.raises(SettingsError, match="BRIDGE_RECEIVER__HEADER_VALUE is still the example"):
        load_settings()


@pytest.mark.parametrize("value", ["hunter2", "exchange-rate", "<a>b", "$ecret", "pa${x", "100%", "secret-changes-me"])
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
