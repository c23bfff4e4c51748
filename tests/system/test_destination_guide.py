"""docs/adobe-to-moengage.md: the commands that set up the private destination, word by word, and what they print."""

from __future__ import annotations

import re

from checkout import ROOT
from json_output import json_of
from typer.testing import CliRunner

from bridge.cli.main import app
from bridge.testing.emulator_process import EmulatorProcess

PAGE = (ROOT / "docs/adobe-to-moengage.md").read_text(encoding="utf-8")


def _block(mark: str) -> str:
    """The text of the block below the comment."""
    found = re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_its_commands_make_try_and_hand_over_the_destination(tmp_path, monkeypatch):
    """The page's settings and its four commands against the emulator as a process; what is secret is not printed."""
    (tmp_path / "bridge.toml").write_text(_block("file: bridge.toml"), encoding="utf-8")
    settings = _block("file: .env")
    (tmp_path / ".env").write_text(settings, encoding="utf-8")
    secret = re.search(r"CLIENT_SECRET=(\S+)", settings)
    assert secret is not None
    token = "a long random text that only Adobe knows"
    assert token in _block("file: bridge.toml")
    commands = [line.split()[1:] for line in _block("commands").splitlines()]
    with EmulatorProcess(tmp_path / "emulator", BRIDGE_OAUTH__CLIENT_SECRET=secret[1]) as adobe:
        adobe.wait_up()
        url = f"http://127.0.0.1:{adobe.port}"
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("BRIDGE_AEP__PLATFORM_URL", url)
        monkeypatch.setenv("BRIDGE_OAUTH__TOKEN_URL", f"{url}/ims/token/v3")
        done = [CliRunner().invoke(app, command) for command in commands]
        assert [one.exit_code for one in done] == [3, 0, 0, 0], [one.output for one in done]
        plan, apply, verify, handover = done
        assert plan.stdout == _block("plan")
        assert "set up" in apply.output
        assert verify.stdout.count("✓") == 5
        again = CliRunner().invoke(app, [*commands[0], "--json"])
        assert (again.exit_code, json_of(again)["to_do"]) == (0, 0)
        unknown = CliRunner().invoke(app, ["setup", "verify", "--route", "crm", "--instance", "none", "--json"])
        assert unknown.exit_code == 1
        assert json_of(unknown, exit_code=1)["stations"][-1]["ok"] is False
    for text in ("bridge.example.com", "target identity crmId", "MoEngage via bridge (crm)"):
        assert text in handover.stdout
    assert token not in handover.stdout
    shown = CliRunner().invoke(app, [*commands[3], "--show-secrets", "--json"])
    told = json_of(shown)
    assert told["connection"]["token"] == token
    assert told["connection"]["endpoint"] == "https://bridge.example.com/adobe/crm"
