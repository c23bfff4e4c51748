"""docs/moengage-destination.md: its files are written, its commands run, and what they print is what it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.cli.main import app
from bridge.destinations.moengage.remarks import FINDING_CODES, REJECTION_CODES
from bridge.model.errors import BridgeError
from bridge.settings import every_setting

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "moengage-destination.md").read_text(encoding="utf-8")
FILES = re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", GUIDE, flags=re.DOTALL)
COMMANDS = [
    part.partition("\n")
    for block in re.findall(r"```console\n(.*?)```", GUIDE, flags=re.DOTALL)
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with every file of the guide."""
    for name, content in FILES:
        (tmp_path / name).write_text(content, encoding="utf-8")
    (tmp_path / "moengage.key").write_text("a-key", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("line", "_end", "output"), COMMANDS, ids=[line for line, _, _ in COMMANDS])
def test_the_guide_shows_what_happens(line: str, _end: str, output: str, place: Path) -> None:
    """The command's stdout and its exit are those of the guide; a line with an ellipsis ends the comparison."""
    ended = re.search(r"^exit (\d)\n?\Z", output, re.MULTILINE)
    shown, code = (output[: ended.start()], int(ended.group(1))) if ended else (output, 0)
    result = CliRunner().invoke(app, shlex.split(line)[1:], env={"COLUMNS": None})
    assert not isinstance(result.exception, BridgeError), result.exception
    printed = result.stdout
    if "…\n" in shown:
        shown = shown[: shown.index("…\n")]
        printed = printed[: len(shown)]
    assert (printed, result.exit_code) == (shown, code)


def test_the_guide_has_every_code() -> None:
    """Each code of a dead letter and of a finding stands in its table, and no other does."""
    checked = GUIDE.split("## What is checked")[1].split("**Read-back.**")[0]
    refused, found = checked.split("Findings, counted in")
    assert set(re.findall(r"`([a-z_]+)`", "\n".join(re.findall(r"^\| (`.*?) \|", refused, flags=re.MULTILINE)))) == set(
        REJECTION_CODES
    )
    assert set(re.findall(r"`([a-z_]+)`", "\n".join(re.findall(r"^\| (`.*?) \|", found, flags=re.MULTILINE)))) == set(
        FINDING_CODES
    )


def test_the_guide_knows_the_settings_and_their_defaults() -> None:
    """Figures in brackets behind a setting are its default."""
    known = every_setting()
    pairs = re.findall(r"`(?:BRIDGE_MOENGAGE)?(__[A-Z_]+|BRIDGE_MOENGAGE__[A-Z_]+)` \(([\d,]+)\)", GUIDE)
    assert len(pairs) == 3
    for name, figure in pairs:
        full = name if name.startswith("BRIDGE") else f"BRIDGE_MOENGAGE{name}"
        assert float(known[full][2]) == float(figure.replace(",", ""))


def test_the_route_of_the_guide_opens(place: Path) -> None:
    """bridge.toml as it stands is a route that a worker can open."""
    from bridge.routes.kinds import open_parts
    from bridge.settings import load_deployment
    from bridge.telemetry.metrics import Metrics

    (route,) = load_deployment().routes
    parts = open_parts(route, Metrics(route.name))
    assert parts.host == "api-02.moengage.com"
    assert parts.policy.by_key
    assert parts.policy.fold is None
    assert [budget.units for budget in parts.policy.budgets] == [10_000, 30_000, 500]
