"""Settings come from outside too: whatever stands there, it is a setting or a complaint that names the variable."""

import os
from pathlib import Path
from unittest.mock import patch

import pytest
from examples import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.model.errors import SettingsError
from bridge.settings import Settings, every_setting, load_settings

NAMES = sorted(every_setting())
SECRET = "hunter2-never-shown"
odd = st.sampled_from(
    [
        "",
        " ",
        "0",
        "-1",
        "1e999",
        "nan",
        "inf",
        "true",
        "[]",
        "{}",
        "[1,",
        "a,b",
        "::",
        "http://",
        "auto",
        "\t",
        "9" * 5000,
    ]
)
values = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40) | odd
environments = st.dictionaries(st.sampled_from(NAMES), values, max_size=6)


@pytest.fixture(scope="module", autouse=True)
def _elsewhere(tmp_path_factory):
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("settings"))
    yield
    os.chdir(before)


def _load(environment):
    """The settings, or the complaint."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("BRIDGE_")}
    with patch.dict(os.environ, kept | environment, clear=True):
        try:
            return load_settings()
        except SettingsError as error:
            return error


@settings(max_examples=examples(200), deadline=None)
@given(environments)
@example({"BRIDGE_MAPPING__TESTS": "9" * 5000})
def test_any_environment_is_settings_or_a_complaint_by_name(environment):
    """Nothing but SettingsError comes out, and it names what is wrong."""
    loaded = _load(environment)
    if isinstance(loaded, Settings):
        return
    sections = {name.partition("__")[0].removeprefix("BRIDGE_").lower() for name in environment}
    assert any(word in str(loaded) for word in {*environment, *sections})


@settings(max_examples=examples(100), deadline=None)
@given(environments, st.sampled_from([name for name in NAMES if name.endswith(("SECRET", "PASSWORD", "HEADER_VALUE"))]))
def test_no_secret_stands_in_a_complaint_or_in_what_is_shown(environment, name):
    """A secret is not in the error beside it, nor in the settings printed or dumped as JSON."""
    loaded = _load(environment | {name: SECRET})
    shown = f"{loaded} {loaded!r} {loaded.__cause__!r}" if isinstance(loaded, SettingsError) else _shown(loaded)
    assert SECRET not in shown


def _shown(loaded):
    return f"{loaded} {loaded!r} {loaded.model_dump()} {loaded.model_dump_json()}"


@settings(max_examples=examples(150), deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode), st.sampled_from([".env", "bridge.toml"]))
@example(b"\r", "bridge.toml")
def test_any_file_is_settings_or_a_complaint(content, name):
    """A .env or bridge.toml of any bytes makes no other error."""
    path = Path(name)
    path.write_bytes(content)
    try:
        loaded = _load({})
    finally:
        path.unlink()
    assert isinstance(loaded, Settings) or str(loaded)
