"""The file .env.example names every setting, with what it means and its default; ``make generated`` writes it."""

import re
from pathlib import Path

import pytest
from env_example import FIRST, RECEIVER, rendered
from pydantic import SecretStr

from bridge.model.errors import SettingsError
from bridge.settings import Settings, every_setting, load_settings
from bridge.sources.http.auth import refuse_open

EXAMPLE = Path(__file__).resolve().parents[2] / ".env.example"


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
