"""Settings written back into .env and bridge.toml."""

from __future__ import annotations

import io
import stat
import tomllib
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.errors import SettingsError
from bridge.settings import Route, Settings, load_deployment
from bridge.settings.writing import edits, env_with, is_stated, toml_with, write

DEFAULT = Route("default", "moengage", "aep", Settings(), declared=False)
EU = Route("eu", "moengage", "aep", Settings())
ENDPOINT = "https://dcs.adobedc.net/collection/abc"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "A_B=new\n"),
        ("A_B=old\n", "A_B=new\n"),
        ("A_B=old", "A_B=new"),
        ("X=1", "X=1\nA_B=new\n"),
        ("# why\nA_B=old # and this\nX=1\n", "# why\nA_B=new # and this\nX=1\n"),
        ("export A_B='old one'\n", "export A_B=new\n"),
        ('a_b = "old"\r\nX=1\r\n', "a_b = new\r\nX=1\r\n"),
        ("#A_B=example\n\n# next\n#C=1\n", "#A_B=example\nA_B=new\n\n# next\n#C=1\n"),
        ("A_B=one\nX=1\nA_B=two\n", "A_B=new\nX=1\nA_B=new\n"),
        ("A_B\n", "A_B=new\n"),
        ("A_B=\n", "A_B=new\n"),
    ],
)
def test_an_env_file_keeps_everything_but_the_value(before, after):
    """Comments, order, line ends, quotes of others and export stay; a new setting goes below its commented-out line."""
    assert env_with(before, {"A_B": "new"}) == after


_NAME = st.from_regex(r"[A-Z][A-Z_]{0,8}", fullmatch=True)
_VALUE = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=12)
_LINE = st.one_of(
    st.builds("{}={}".format, _NAME, st.from_regex(r"[a-z0-9/:.]{0,8}", fullmatch=True)),
    st.builds("{}='{}'".format, _NAME, st.from_regex(r"[a-z #]{0,8}", fullmatch=True)),
    st.builds("#{}={}".format, _NAME, st.from_regex(r"[a-z]{0,5}", fullmatch=True)),
    st.just(""),
    st.just("# words"),
)


@given(st.lists(_LINE, max_size=8), st.dictionaries(_NAME, _VALUE, max_size=4), st.booleans())
def test_an_env_file_reads_back_with_the_new_values(lines, values, ends):
    """Whatever stood there and whatever the values hold: the new ones are read back, all others are as they were."""
    before = "\n".join(lines) + ("\n" if ends else "")
    after = env_with(before, values)
    old = dotenv_values(stream=io.StringIO(before), interpolate=False)
    assert dotenv_values(stream=io.StringIO(after), interpolate=False) == {**old, **values}
    assert env_with(after, values) == after


def test_toml_keeps_comments_and_writes_into_the_routes_own_section():
    """A route's values stand below the route; everything else is as it was."""
    before = '# ours\n[aep]\norg_id = "A@AdobeOrg"  # the organisation\n\n[routes.eu]\n# Europe\n[routes.eu.aep]\nsandbox = "eu"\n'
    after = toml_with(before, {("aep", "endpoint"): ENDPOINT, ("mapping", "tenant"): "_acme"}, EU)
    assert after.startswith('# ours\n[aep]\norg_id = "A@AdobeOrg"  # the organisation\n\n[routes.eu]\n# Europe\n')
    eu = tomllib.loads(after)["routes"]["eu"]
    assert eu == {"aep": {"sandbox": "eu", "endpoint": ENDPOINT}, "mapping": {"tenant": "_acme"}}


@pytest.mark.parametrize(
    ("env", "toml", "route", "changed"),
    [
        (None, None, DEFAULT, ".env"),
        ("X=1\n", None, DEFAULT, ".env"),
        (None, '[aep]\nsandbox = "dev"\n', DEFAULT, "bridge.toml"),
        ("X=1\n", '[aep]\nendpoint = "https://dcs.adobedc.net/collection/old"\n', DEFAULT, "bridge.toml"),
        ("BRIDGE_AEP__ENDPOINT=https://dcs.adobedc.net/collection/old\n", '[aep]\nendpoint = "https://x/collection/y"\n', DEFAULT, ".env"),
        ("X=1\n", "[routes.eu]\n", EU, "bridge.toml"),
        ("BRIDGE_ROUTES__EU__AEP__SANDBOX=eu\n", None, EU, ".env"),
    ],
)  # fmt: skip
def test_a_setting_is_written_where_it_is_read(folder, env, toml, route, changed):
    """Where it stands; a new one into .env, or into bridge.toml where only that exists or declares the route."""
    for name, text in ((".env", env), ("bridge.toml", toml)):
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8")
    (edit,) = edits(route, {("aep", "endpoint"): ENDPOINT}, environment={})
    assert edit.path.name == changed
    write([edit])
    found = next(one for one in load_deployment().routes if one.name == route.name)
    assert found.settings.aep.endpoint == ENDPOINT
    assert edits(route, {("aep", "endpoint"): ENDPOINT}, environment={}) == []


def test_the_environment_cannot_be_overruled(folder):
    """A value that the environment sets otherwise is an error that names it; the same value needs no file."""
    values = {("aep", "endpoint"): ENDPOINT}
    with pytest.raises(SettingsError, match="BRIDGE_AEP__ENDPOINT is set in the environment"):
        edits(DEFAULT, values, environment={"bridge_aep__endpoint": "https://x/collection/y"})
    assert edits(DEFAULT, values, environment={"BRIDGE_AEP__ENDPOINT": ENDPOINT}) == []


def test_files_are_replaced_whole_with_their_mode(folder):
    """A new .env is for its owner alone; an old file keeps its mode, and a link stays one."""
    (edit,) = edits(DEFAULT, {("aep", "endpoint"): ENDPOINT}, environment={})
    write([edit])
    assert stat.S_IMODE(Path(".env").stat().st_mode) == 0o600
    Path("elsewhere").mkdir()
    Path(".env").rename("elsewhere/settings")
    Path("elsewhere/settings").chmod(0o640)
    Path(".env").symlink_to("elsewhere/settings")
    write(edits(DEFAULT, {("aep", "endpoint"): f"{ENDPOINT}d"}, environment={}))
    assert Path(".env").is_symlink()
    assert stat.S_IMODE(Path("elsewhere/settings").stat().st_mode) == 0o640
    assert sorted(path.name for path in folder.iterdir()) == [".env", "elsewhere"]


def test_what_cannot_be_written_is_shown(folder, monkeypatch):
    """The lines that should have been written stand in the error, so that nothing has to be looked up in AEP."""
    (edit,) = edits(DEFAULT, {("aep", "endpoint"): ENDPOINT}, environment={})

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("bridge.settings.writing.replace_file", refuse)
    with pytest.raises(SettingsError, match=f"BRIDGE_AEP__ENDPOINT={ENDPOINT}"):
        write([edit])


def test_a_difference_shows_no_neighbours(folder):
    """The diff has the changed lines alone: a secret beside them is not printed."""
    Path(".env").write_text(f"BRIDGE_OAUTH__CLIENT_SECRET=s3cret\nBRIDGE_AEP__ENDPOINT={ENDPOINT}x\n", encoding="utf-8")
    (edit,) = edits(DEFAULT, {("aep", "endpoint"): ENDPOINT}, environment={})
    assert f"+BRIDGE_AEP__ENDPOINT={ENDPOINT}\n" in edit.diff
    assert "s3cret" not in edit.diff


def test_a_setting_is_stated_by_either_name(folder, monkeypatch):
    """A route's own name or the one it inherits from, in the environment or in a file."""
    assert not is_stated(EU, "aep", "sandbox")
    Path("bridge.toml").write_text('[aep]\nsandbox = "eu"\n', encoding="utf-8")
    assert is_stated(EU, "aep", "sandbox")
    monkeypatch.setenv("BRIDGE_ROUTES__EU__AEP__FLOW_ID", "f")
    assert is_stated(EU, "aep", "flow_id")
    assert not is_stated(DEFAULT, "aep", "flow_id")
