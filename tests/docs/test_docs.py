"""What the documents tell people to type exists, and answers as printed."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer
from command_lines import problems_of_command
from json_output import json_of
from typer.testing import CliRunner

from bridge.cli.main import app
from bridge.settings import ReceiverSettings, every_setting
from bridge.sources.http.endpoint import Receiver
from bridge.sources.moengage.decoder import DECODER
from bridge.sources.moengage.posting import STREAMS
from bridge.telemetry.metrics import GroupMetrics, Metrics, ReceptionMetrics

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
EVERY_DOCUMENT = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: f"{path.parent.name}/{path.name}")


def _blocks(text: str) -> list[str]:
    """Lines of shell blocks, with continued lines joined."""
    blocks = re.findall(r"^```(?:sh|console|bash)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def _inline(text: str) -> list[str]:
    """What stands in backquotes within a sentence."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def _commands(lines: list[str]) -> list[list[str]]:
    found = [
        re.match(r"(?:\S*/)?aep-bridge (.*)|docker compose (?:run --rm|exec) worker (?:aep-bridge )?(.*)", line)
        for line in lines
    ]
    return [shlex.split(match[1] or match[2], comments=True) for match in found if match]


@EVERY_DOCUMENT
def test_command_lines_exist(document):
    """Every aep-bridge line names a command and options that exist; in a block also with all its arguments."""
    text = document.read_text(encoding="utf-8")
    problems = [problem for words in _commands(_blocks(text)) for problem in problems_of_command(words)]
    problems += [problem for words in _commands(_inline(text)) for problem in problems_of_command(words, whole=False)]
    assert problems == []


def _leaves(command, name=()):
    if hasattr(command, "commands"):
        for word, below in command.commands.items():
            yield from _leaves(below, (*name, word))
    else:
        yield " ".join(name), command


@pytest.mark.parametrize(("name", "command"), list(_leaves(typer.main.get_command(app))))
def test_help_has_examples_that_could_be_run(name, command):
    """Every command's --help ends in examples; each names a command, options and arguments that exist."""
    _, _, examples = (command.help or "").partition("Examples:")
    lines = [re.sub(r"^(?:BRIDGE_\w+=\S+ )*", "", line.strip()) for line in examples.splitlines()]
    commands = _commands([part for line in lines for part in line.split(" && ")])
    assert any(" ".join(words).startswith(name) for words in commands), f"no example of aep-bridge {name}"
    assert [problem for words in commands for problem in problems_of_command(words)] == []


def test_readme_has_command_lines_to_check():
    """The check above looks at something."""
    assert len(_commands(_blocks(README))) >= 10


def _families():
    return [*ReceptionMetrics(["eu"]).registry.collect(), *GroupMetrics().registry.collect()]


@EVERY_DOCUMENT
def test_settings_and_metrics_exist(document):
    """Every BRIDGE_ and bridge_ name in a document is a setting or a metric (… at its end stands for the rest)."""
    text = document.read_text(encoding="utf-8")
    known = every_setting()
    for found, open_end in re.findall(r"\b(BRIDGE_[A-Z0-9_]+)([…*]?)", text):
        # A route's variable is that of the top level, or its kind.
        name = re.sub(r"^BRIDGE_ROUTES__[A-Z]+__", "BRIDGE_", found)
        assert name in known or (open_end and any(setting.startswith(name) for setting in known)), name
    families = _families()
    metrics = {sample for family in families for sample in (family.name, f"{family.name}_total")}
    for name in re.findall(r"`(bridge_\w+)", text):
        assert name in metrics, name


def test_the_runbook_has_every_metric_and_every_refusal():
    """docs/operations.md says of each metric what it means, and of each status MoEngage may get what to do."""
    runbook = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    families = _families()
    assert [one.name for one in families if not re.search(rf"`{one.name}(_total)?\b", runbook)] == []
    requests = next(one for one in _receiver_metrics().registry.collect() if one.name == "bridge_receiver_requests")
    statuses = {sample.labels["status"] for sample in requests.samples} - {"200"}
    section = runbook.split("### BridgeReceiverTurnsAway")[1].split("###")[0]
    told = set(re.findall(r"\b\d{3}\b", " ".join(re.findall(r"^\| ([\d, ]+) \|", section, flags=re.MULTILINE))))
    assert told == statuses


def _receiver_metrics():
    metrics = Metrics()
    Receiver(ReceiverSettings(), None, metrics, STREAMS, DECODER)
    return metrics


@EVERY_DOCUMENT
def test_links_lead_somewhere(document):
    """Every relative link names a file of the repository and, with #, a heading in it."""
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", document.read_text(encoding="utf-8")):
        path = (document.parent / target).resolve() if target else document
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_make_targets_exist():
    """Every make TARGET in the README is in the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    asked = {words[1] for line in _blocks(README) if len(words := line.split()) > 1 and words[0] == "make"}
    assert asked
    assert asked <= targets


def _dialogues() -> list[tuple[list[str], str]]:
    """Of the README; docs/mapping.md, whose lines share files, has a test of its own."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL):
        for line, answer in re.findall(r"^\$ aep-bridge (mapping eval .*)\n((?:[^$].*\n)*)", block, flags=re.MULTILINE):
            found.append((shlex.split(line), answer))
    assert found
    return found


def _to_try() -> list[list[str]]:
    """The lines of the README's section that is typed right after the clone, but for those that run on."""
    section = README.split("## Try it on an event of yours")[1].split("\n## ")[0]
    return [words for words in _commands(_blocks(section)) if words[0] == "mapping"]


@pytest.mark.parametrize("words", _to_try(), ids=lambda words: words[1])
def test_the_second_thing_a_newcomer_types_works(words, monkeypatch):
    """Each line under "Try it" runs from a fresh clone as it stands, on files that are there."""
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(("words", "answer"), _dialogues())
def test_printed_answers_are_the_real_ones(words, answer):
    """A `$ aep-bridge mapping eval` line of the README prints what the document says."""
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.output
    assert json_of(told) == json.loads(answer)
