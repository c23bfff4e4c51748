"""The documents for contributors speak of what is there."""

import re

import pytest
from generated import DECISIONS, GENERATED, ROOT

ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
_QUESTIONS = 16
_FILES = 3


def _paths(text):
    return re.findall(r"`((?:bridge|tests|docs|mappings)/[\w./*-]*)`", text)


@pytest.mark.parametrize("text", [ARCHITECTURE, CONTRIBUTING], ids=["architecture", "contributing"])
def test_every_path_is_there(text):
    """Files and folders that the page names exist."""
    named = _paths(text)
    assert named
    missing = [path for path in named if "KIND" not in path and not list(ROOT.glob(path.rstrip("/")))]
    assert missing == []


def test_every_question_is_answered_by_three_files_at_most():
    """Each of the questions has an answer that names one to three files."""
    section = ARCHITECTURE.split("\n## Questions\n")[1].split("\n## ")[0]
    answers = re.split(r"^### .+\?$", section, flags=re.MULTILINE)[1:]
    assert len(answers) == _QUESTIONS
    for answer in answers:
        assert 1 <= len({path for path in _paths(answer) if path.endswith(".py")}) <= _FILES, answer


def test_every_room_is_in_the_table():
    """A new folder of the package is explained."""
    rooms = {path.name for path in (ROOT / "bridge").iterdir() if (path / "__init__.py").exists()} - {"shipped"}
    table = set(re.findall(r"^\| .*$", ARCHITECTURE, flags=re.MULTILINE))
    assert rooms <= {name for row in table for name in re.findall(r"`bridge/(\w+)`", row.split("|")[1])}


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_generated_files_are_current(path):
    """`make generated` would change nothing."""
    assert path.read_text(encoding="utf-8") == GENERATED[path]()


def test_every_decision_has_a_status_and_is_in_the_index():
    """Each record says whether it holds and since when."""
    index = (DECISIONS / "README.md").read_text(encoding="utf-8")
    for path in DECISIONS.glob("*.md"):
        assert path.name == "README.md" or f"]({path.name})" in index


def test_recipes_are_there():
    """One recipe for each thing that people add."""
    recipes = set(re.findall(r"^### (.+)$", CONTRIBUTING, flags=re.MULTILINE))
    assert recipes == {
        "A setting",
        "A function of the mapping language",
        "A metric",
        "What one worker does for all",
        "A dead-letter code",
        "A source",
        "A destination",
        "A fault in chaos",
    }
