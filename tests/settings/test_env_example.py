"""The file .env.example names every setting, with what it means and its default. Written anew with
`python tests/settings/test_env_example.py > .env.example`.
"""

import re
import textwrap
from pathlib import Path

import pytest
from pydantic import SecretStr

from bridge.model.errors import SettingsError
from bridge.settings import Settings, every_setting, load_settings
from bridge.sources.http.auth import refuse_open

EXAMPLE = Path(__file__).resolve().parents[2] / ".env.example"
HEAD = """\
# Settings of the bridge. Copy to .env and fill in the first part, where the receiver's credentials are to be uncommented;
# the rest has defaults that work.
# The environment wins over .env, .env over bridge.toml (there: [kafka] topic = "…"), and that over the defaults.
# For several routes (README.md, "Several workspaces, several sandboxes") a route's own value of any of these, but for those of
# telemetry, listener and processes, is BRIDGE_ROUTES__NAME__SECTION__KEY, dashes of NAME as underscores; for example
# BRIDGE_ROUTES__EU__AEP__SANDBOX=eu
# README.md, "Go live", says where in Adobe's and MoEngage's consoles each of these comes from.
"""
FIRST = (
    "BRIDGE_MAPPING__TENANT",
    "BRIDGE_AEP__ENDPOINT",
    "BRIDGE_AEP__ORG_ID",
    "BRIDGE_AEP__SCHEMA_ID",
    "BRIDGE_AEP__DATASET_ID",
    "BRIDGE_AEP__FLOW_ID",
    "BRIDGE_OAUTH__CLIENT_ID",
    "BRIDGE_OAUTH__CLIENT_SECRET",
    "BRIDGE_RECEIVER__AUTH",
    "BRIDGE_RECEIVER__USERNAME",
    "BRIDGE_RECEIVER__PASSWORD",
)
"""What nobody can go live without: these stand in the file as examples that are in force, but for the receiver's."""
TO_DECIDE = (
    "BRIDGE_MAPPING__PRIMARY_IDENTITY",
    "BRIDGE_MAPPING__PATH",
    "BRIDGE_MAPPING__SCHEMA",
    "BRIDGE_AEP__SANDBOX",
    "BRIDGE_KAFKA__BOOTSTRAP_SERVERS",
)
"""What has a default that is an example's or a test's: every company looks at these before it goes live."""
RECEIVER = "BRIDGE_RECEIVER__"
"""Its credentials are left to be written: an example in force would be known to everybody, and is refused."""


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return "{}" if not value else str(value)
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _with_default(description: str, example: str, default: object, name: str) -> str:
    """One setting, commented out, with its default or else its example."""
    value = _written(default)
    told = f"{description} Default: {value}." if value else f"{description} Example: {example}"
    words = "\n".join(textwrap.wrap(told, 118, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False))
    return f"\n{words}\n#{name}={value or example}\n"


def rendered() -> str:
    """What .env.example should say."""
    known = every_setting()
    parts = [HEAD, "\n# ---- Needed to go live " + "-" * 96 + "\n"]
    for name in FIRST:
        description, example, _ = known[name]
        words = "\n".join(
            textwrap.wrap(description, 118, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
        )
        parts.append(f"\n{words}\n{'#' if name.startswith(RECEIVER) else ''}{name}={example}\n")
    parts.append("\n# ---- To be decided before: the defaults are those of the example " + "-" * 55 + "\n")
    parts += [_with_default(*known[name], name) for name in TO_DECIDE]
    section = ""
    for name, (description, example, default) in known.items():
        if name in (*FIRST, *TO_DECIDE):
            continue
        if (now := name.removeprefix("BRIDGE_").split("__")[0]) != section:
            section = now
            parts.append(f"\n# ---- {section.lower()} ".ljust(121, "-") + "\n")
        parts.append(_with_default(description, example, default, name))
    return "".join(parts)


def test_it_names_every_setting_as_the_settings_describe_it():
    """The file is what the settings model says; a new setting is not forgotten."""
    assert EXAMPLE.read_text(encoding="utf-8") == rendered()
    assert set(re.findall(r"^#?(BRIDGE_\w+)=", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)) == set(
        every_setting()
    )


def test_it_loads_as_it_stands(tmp_path, monkeypatch):
    """Copied to .env it gives valid settings, with which no receiver starts until its credentials are written."""
    (tmp_path / ".env").write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    settings = Settings()
    assert settings.oauth.client_secret == SecretStr(every_setting()["BRIDGE_OAUTH__CLIENT_SECRET"][1])
    with pytest.raises(SettingsError, match="BRIDGE_RECEIVER__AUTH"):
        refuse_open(settings.receiver)


def test_its_credentials_are_refused_where_they_are_in_force(tmp_path, monkeypatch):
    """Uncommented as they stand, the receiver's credentials are those that everybody knows."""
    text = re.sub(
        rf"^#({RECEIVER}(?:AUTH|USERNAME|PASSWORD)=)", r"\1", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="BRIDGE_RECEIVER__PASSWORD is still the example"):
        load_settings()


@pytest.mark.parametrize("name", [name for name in every_setting() if name not in FIRST])
def test_every_line_is_valid_when_uncommented(name, tmp_path, monkeypatch):
    """Each commented line can be put in force alone (SASL and TLS need their partners, which are set here)."""
    (line,) = re.findall(rf"^#({name}=.*)$", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    partners = (
        "BRIDGE_KAFKA__SASL_USERNAME=bridge\nBRIDGE_KAFKA__SASL_PASSWORD=change-me\n"
        "BRIDGE_KAFKA__SSL_CERTFILE=/etc/bridge/client.pem\n"
        "BRIDGE_RECEIVER__TLS_CERTFILE=/etc/bridge/receiver.pem\n"
    )
    (tmp_path / ".env").write_text(f"{partners}{line}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    Settings()


if __name__ == "__main__":
    print(rendered(), end="")  # noqa: T201 - this is how the file is made
