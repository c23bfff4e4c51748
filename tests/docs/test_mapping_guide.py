"""docs/mapping.md: every file in it is written, every command in it is run, and what it prints is what the guide shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from bridge.cli.main import app
from bridge.mapping.lint.codes import CODES
from bridge.model.errors import BridgeError

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8")
FILE = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
STEP = re.compile(r"(?:<!-- append: (\S+) -->\n```\w+\n(.*?)```)|(?:```console\n(.*?)```)", re.DOTALL)


class Command(NamedTuple):
    """One command of the guide, what it prints, and how it exits."""

    line: str
    output: str
    code: int


def commands() -> list[Command]:
    """Every command of every console block, and every file that is added to, in the order of the guide."""
    found = []
    for file, more, block in STEP.findall(GUIDE):
        if file:
            found.append(Command(f"append {file}", more, 0))
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, output = part.partition("\n")
            ended = re.search(r"^exit (\d)\n?\Z", output, re.MULTILINE)
            found.append(
                Command(line, output[: ended.start()] if ended else output, int(ended.group(1)) if ended else 0)
            )
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with every file of the guide."""
    for name, content in FILE.findall(GUIDE):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return tmp_path


def test_the_guide_shows_what_happens(place: Path, monkeypatch: pytest.MonkeyPatch):
    """In the order of the guide, as each command works on what those before it have left: its stdout (an error's words) and its exit are those of the guide; a line with an ellipsis ends the comparison."""
    monkeypatch.chdir(place)
    for command in commands():
        program, *arguments = shlex.split(command.line)
        if program == "append":
            with (place / arguments[0]).open("a", encoding="utf-8") as file:
                file.write(command.output)
            continue
        assert program == "aep-bridge"
        assert _compared(command, arguments) == (command.line, _shown(command), command.code)


def _shown(command: Command) -> str:
    return command.output.partition("…\n")[0]


def _compared(command: Command, arguments: list[str]) -> tuple[str, str, int]:
    result = CliRunner().invoke(app, arguments)
    printed, code = result.stdout, result.exit_code
    if isinstance(result.exception, BridgeError):
        printed, code = f"error: {result.exception}\n", 1
    if "…\n" in command.output:
        printed = printed[: len(_shown(command))]
    return command.line, printed, code


def test_the_guide_has_its_examples():
    """Files and commands are found in the text, so that a change of its form cannot silence this test."""
    assert len(FILE.findall(GUIDE)) >= 7
    assert len(commands()) >= 30


def test_every_code_of_lint_is_explained():
    """Codes are stable identifiers, each with words; whatever finds something uses one of them, and none is left over."""
    files = [
        *(ROOT / "bridge" / "mapping").rglob("*.py"),
        *(ROOT / "bridge" / "xdm").rglob("*.py"),
        *(ROOT / "bridge" / "routes").rglob("*.py"),
        *(ROOT / "bridge" / "destinations").rglob("*.py"),
        *(ROOT / "bridge" / "sources").rglob("*.py"),
    ]
    sources = "\n".join(path.read_text(encoding="utf-8") for path in files)
    made = r'(?:Finding|_find)\(\s*[^,()]+(?:\([^()]*\))?,\s*[^,]+,\s*"([a-z_0-9]+)"|(?:Problem|_problem|_file)\(\s*(?:f?"[^"]*",\s*)??"([a-z_0-9]+)"'
    used = {code for pair in re.findall(made, sources) for code in pair if code}
    assert used <= CODES.keys()
    assert len(used) > 20
    # Each stands in the table of codes and where it is given.
    assert [code for code in CODES if sources.count(f'"{code}"') < 2] == []
