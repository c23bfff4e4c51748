"""What is generated in this repository, and how: ``make generated`` writes it, with ``--check`` it says what is out of date."""

import re
import sys
from pathlib import Path
from typing import get_args

from env_example import rendered
from mutation import results

from bridge.emulators.adobe.platform.oddities import Oddities
from bridge.mapping.workshop.function_reference import markdown

ROOT = Path(__file__).resolve().parents[2]
DECISIONS = ROOT / "docs" / "decisions"
STATUS = re.compile(
    r"Status: (?P<status>accepted|superseded by \[.+\]\(.+\.md\)), (?P<date>\d{4}-\d\d-\d\d)"
    r"(?:; amended (?P<amended>\d{4}-\d\d-\d\d))?\."
)
"""The third line of a decision record, below its title."""


def decision_index() -> str:
    """docs/decisions/README.md: each record with status and date, by title."""
    rows = []
    for path in DECISIONS.glob("*.md"):
        if path.name == "README.md":
            continue
        title, _, status = path.read_text(encoding="utf-8").splitlines()[:3]
        match = STATUS.fullmatch(status)
        if match is None:
            raise SystemExit(
                f"{path.relative_to(ROOT)}: its third line is no status, such as: Status: accepted, 2026-11-26."
            )
        dates = match["date"] + (f", amended {match['amended']}" if match["amended"] else "")
        rows.append(f"| [{title.removeprefix('# ')}]({path.name}) | {match['status']} | {dates} |")
    return (
        "# Decision records\n\n"
        'What the next person would ask "why?" about: the question, what was decided, what it costs.\n'
        "A new record begins with its title, a blank line, and `Status: accepted, YYYY-MM-DD.`; `make generated` writes this page.\n\n"
        "| record | status | date |\n|---|---|---|\n" + "\n".join(sorted(rows)) + "\n"
    )


def emulator_oddities() -> str:
    """docs/emulator-oddities.md: each reading of what Adobe does not document, with its values."""
    rows = []
    for name, field in Oddities.model_fields.items():
        values = [f"`{value}`" for value in get_args(field.annotation)] or ["any text"]
        rows.append(f"| `{name}` | `{field.default}` | {', '.join(values)} | {field.description} |")
    return (
        "# Oddities of the emulated platform\n\n"
        "Where Adobe's documents say nothing, or say two things, [the emulator](emulator.md) has each reading under a name.\n"
        "A client should work under all of them. `make generated` writes this page.\n\n"
        "| name | default | values | what it is about |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )


def reliability() -> str:
    """docs/reliability.md with the table of what `make mutants` found; the rest of it is written by hand."""
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    before, begin, rest = text.partition("<!-- mutants: begin -->\n")
    _, end, after = rest.partition("<!-- mutants: end -->\n")
    if not begin or not end:
        raise SystemExit("docs/reliability.md: the marks around the table of mutants are gone")
    return f"{before}{begin}\n{results.table()}\n\n{end}{after}"


GENERATED = {
    ROOT / ".env.example": rendered,
    ROOT / "docs" / "functions.md": markdown,
    ROOT / "docs" / "emulator-oddities.md": emulator_oddities,
    DECISIONS / "README.md": decision_index,
    ROOT / "docs" / "reliability.md": reliability,
}
"""File and the function that gives its text."""


def out_of_date() -> list[Path]:
    """The files that do not say what they should."""
    return [path for path, text in GENERATED.items() if not path.exists() or path.read_text(encoding="utf-8") != text()]


def main(arguments: list[str]) -> int:
    """Write what is out of date; with ``--check`` only name it, and exit 1 when there is any."""
    stale = out_of_date()
    for path in stale:
        if "--check" not in arguments:
            path.write_text(GENERATED[path](), encoding="utf-8")
        print(f"{'out of date' if '--check' in arguments else 'written'}: {path.relative_to(ROOT)}")  # noqa: T201
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
