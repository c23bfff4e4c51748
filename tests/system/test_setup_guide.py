"""docs/setup.md: its commands lead from an empty emulated sandbox to an event in the dataset, word by word."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.parse
from typing import TYPE_CHECKING

from checkout import ROOT
from json_output import json_of

from bridge.testing.emulator_process import EmulatorProcess
from bridge.testing.processes import get

if TYPE_CHECKING:
    from pathlib import Path

GUIDE = (ROOT / "docs/setup.md").read_text(encoding="utf-8")


def _blocks(section: str) -> list[str]:
    """The shell blocks below a heading."""
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", GUIDE, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^```sh\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def _shell(folder: Path, block: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", block], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=240,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_four_commands_lead_to_the_first_event(tmp_path):
    """Credentials, plan, apply, verify: at most four, nothing edited by hand, and the event lies in the emulated dataset."""
    folder = tmp_path / "deployment"
    folder.mkdir()
    tools = tmp_path / "bin"
    tools.mkdir()
    command = tools / "aep-bridge"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bridge "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    blocks = _blocks("Four commands")
    assert len(blocks) == 4
    secret = re.search(r"CLIENT_SECRET=(\S+)", blocks[0])
    assert secret is not None
    with EmulatorProcess(tmp_path / "emulator", BRIDGE_OAUTH__CLIENT_SECRET=secret[1]) as adobe:
        adobe.wait_up()
        url = f"http://127.0.0.1:{adobe.port}"
        adobe.control(platform={"warm_up_seconds": 1})
        environment = {key: value for key, value in os.environ.items() if not key.startswith("BRIDGE_")} | {
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
            "BRIDGE_AEP__PLATFORM_URL": url,
            "BRIDGE_OAUTH__TOKEN_URL": f"{url}/ims/token/v3",
            "BRIDGE_SETUP__WARM_UP_SECONDS": "2",
        }
        done = [_shell(folder, block, environment) for block in blocks]
        assert [one.returncode for one in done] == [0, 3, 0, 0], "\n".join(one.stdout + one.stderr for one in done)
        shown = re.findall(r"^```text\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)[0].split("…\n")
        for part in shown:
            assert part in done[1].stdout
        assert "✓ dataset" in done[3].stdout
        text = (folder / ".env").read_text(encoding="utf-8")
        dataset = re.search(r"^BRIDGE_AEP__DATASET_ID=(\S+)$", text, flags=re.MULTILINE)
        assert dataset is not None
        status, body = get(f"{url}/dataset?dataset={urllib.parse.quote(dataset[1])}&ids=ingested")
        assert status == 200, body
        assert "aep-bridge-verify-" in body
        plan = _shell(folder, "aep-bridge setup plan --json", environment)
        assert (plan.returncode, json_of(plan)["to_do"]) == (0, 0)
        (handover,) = _blocks("Hand over to MoEngage")
        printed = _shell(folder, handover, environment)
        assert printed.returncode == 0, printed.stderr
        assert secret[1] not in printed.stdout
        assert dataset[1] in printed.stdout
