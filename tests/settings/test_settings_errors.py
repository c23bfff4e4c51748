"""Wrong settings stop the start: with which words? The name, what was expected and an example, and nothing but SettingsError."""

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

pytestmark = pytest.mark.usefixtures("clean")


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
        (".env", b"A=1\nBRIDGE_KAFKA__TOPIC\n", ".env, line 2: expected NAME=value"),
        (
            ".env",
            b"BRIDGE_ROUTES__EU__KAFKA__TOPIC\nBRIDGE_ROUTES__EU__KAFKA__GROUP=g\n",
            ".env, line 1: expected NAME=",
        ),
        (".env", b"BRIDGE_KAFKA__TOPIC=${NOT_SET_HERE}\n", ".env, line 1: BRIDGE_KAFKA__TOPIC holds ${NAME}"),
        (".env", b"\nBRIDGE_RECEIVER__PASSWORD='a${b}c'\n", ".env, line 2: BRIDGE_RECEIVER__PASSWORD holds ${NAME}"),
        ("bridge.toml", b"\xff\xfe\x00", "bridge.toml is not UTF-8"),
        (
            "bridge.toml",
            b"[receiver]\npassword = 1234567\n",
            "BRIDGE_RECEIVER__PASSWORD: Input should be a valid string (in",
        ),
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


@pytest.mark.parametrize("name", ["RECEIVER__HEADER_VALUE", "RECEIVER__USERNAME", "AEP__DATASET_ID", "KAFKA__GROUP"])
def test_bytes_that_are_no_text_are_told_at_the_start(name, monkeypatch) -> None:
    """They could neither be sent nor compared."""
    monkeypatch.setitem(os.environ, f"BRIDGE_{name}", "m\udce4")
    with pytest.raises(SettingsError, match=f"^BRIDGE_{name}: the value is not UTF-8 text$"):
        load_settings()


def test_unreadable_file_is_told(monkeypatch) -> None:
    """A file that may not be read is named."""
    Path(".env").write_text("")

    def refuse(*_args, **_more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(SettingsError, match=r"\.env cannot be read: Permission denied"):
        load_settings()


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
