"""How the mapping commands show what they found: tables for people, JSON, GitHub annotations and SARIF for programs."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rich.console import Console
from rich.markup import escape

from bridge import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bridge.mapping.sets.findings import Finding
    from bridge.mapping.workshop.golden import Result
    from bridge.mapping.workshop.trace import Change, Traced

_SHOWN = 80


def data(value: Any, *, indent: int | None = 2) -> None:
    """JSON on stdout, UTF-8 whatever the terminal says."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")
    sys.stdout.flush()


def width() -> int | None:
    """Columns of the terminal (or of COLUMNS); None where lines may be as long as they are, as in a pipe."""
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said) > 0:
        return int(said)
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def console() -> Console:
    """Where words with colours go: stdout; plain and never wrapped when it is no terminal."""
    return Console(highlight=False, width=width() or 10_000, soft_wrap=True)


def short(value: Any, room: int = _SHOWN) -> str:
    """A value as compact JSON, cut to the room for it."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= room else text[: room - 1] + "…"


def cut(text: str, indent: int = 0) -> str:
    """A line that fits the terminal."""
    columns = width()
    return text if columns is None or len(text) + indent <= columns else text[: max(10, columns - indent - 1)] + "…"


def findings_list(findings: Sequence[Finding], file: str) -> None:
    """A block for each finding: ``file:row:column: severity code``, what is wrong, and the fix; never cut."""
    screen = console()
    for one in findings:
        place = f"{file}:{one.row}:{one.column}" + (f":{one.position}" if one.position else "")
        style = "red" if one.severity == "error" else "yellow"
        screen.print(f"{escape(place)}: [{style}]{one.severity}[/] [bold]{one.code}[/]")
        _paragraph(one.message)
        if one.fix:
            _paragraph(f"fix: {one.fix}")


def _paragraph(text: str) -> None:
    """Words below a heading, broken at blanks where the terminal ends."""
    columns = width()
    lines = [text] if columns is None else textwrap.wrap(text, max(20, columns - 4), break_on_hyphens=False)
    print("\n".join(f"    {line}" for line in lines))


def github(findings: Iterable[Finding], file: str) -> None:
    """Workflow commands that GitHub shows beside the lines of a pull request."""
    for one in findings:
        column = f",col={one.position}" if one.position else ""
        fix = f" (fix: {one.fix})" if one.fix else ""
        message = (one.message + fix).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        place = file.replace("%", "%25").replace(",", "%2C").replace(":", "%3A")
        print(f"::{one.severity} file={place},line={max(one.row, 1)}{column},title={one.code}::{message}")


def sarif(findings: Sequence[Finding], file: str, codes: Mapping[str, str]) -> None:
    """SARIF 2.1.0, as code scanning reads it."""
    used = sorted({one.code for one in findings})
    data(
        {
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [
                {
                    "tool": {
                        "driver": {
                            "name": "aep-bridge mapping lint",
                            "version": __version__,
                            "rules": [
                                {"id": code, "shortDescription": {"text": codes.get(code, code)}} for code in used
                            ],
                        }
                    },
                    "results": [
                        {
                            "ruleId": one.code,
                            "level": one.severity,
                            "message": {"text": one.message + (f" (fix: {one.fix})" if one.fix else "")},
                            "locations": [
                                {
                                    "physicalLocation": {
                                        "artifactLocation": {"uri": quote(file)},
                                        "region": {"startLine": max(one.row, 1)},
                                    }
                                }
                            ],
                        }
                        for one in findings
                    ],
                }
            ],
        }
    )


def trace_list(rows: Sequence[Traced]) -> None:
    """For each row that gave something: what goes out and where, the source and what was read; the rest is counted."""
    screen = console()
    silent = 0
    for one in rows:
        if one.result is None and one.sent is None and one.warning is None:
            silent += 1
            continue
        screen.print(f"[bold]{one.row:>3}[/]  {escape(cut(f'{one.destination} = {_sent(one)}', 5))}")
        read = {path: value for path, value in one.read.items() if value is not None and path != one.source}
        shown = ", ".join(f"{path} = {_json(value)}" for path, value in read.items())
        print(cut(f"     {one.source}" + (f"   [{shown}]" if shown else "")))
        if one.warning:
            screen.print(f"     [yellow]null: {escape(one.warning)}[/]")
    if silent:
        print(f"     {silent} more rows gave nothing: their sources are absent or null")


def _sent(one: Traced) -> str:
    result, sent = _json(one.result), _json(one.sent)
    if one.sent is None:
        return "null" if one.result is None else f"{result} → left out"
    if one.source_type == "STATIC" and one.sent in (True, False) and result == f'"{sent}"':
        return sent
    same = type(one.result) is type(one.sent) and one.result == one.sent
    return sent if same or one.result is None or isinstance(one.sent, dict | list) else f"{result} → {sent}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def changes_list(changes: Sequence[Change], this: str, other: str) -> None:
    """Path, and the value on each side, in lines of their own."""
    for path, left, right in changes:
        print(path or ".")
        print(cut(f"    {this}: {_json(left)}"))
        print(cut(f"    {other}: {_json(right)}"))


def golden(results: Sequence[Result]) -> None:
    """Each case with its verdict and, where it fails, what differs."""
    screen = console()
    for result in results:
        if result.passed:
            screen.print(f"[green]pass[/] {escape(result.case.name)}")
            continue
        screen.print(
            f"[red]FAIL[/] {escape(result.case.name)}" + (": nothing is expected yet" if result.missing else "")
        )
        if result.changes:
            changes_list(result.changes, "expected", "actual")


def golden_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {
            "case": result.case.name,
            "passed": result.passed,
            "differences": [
                {"path": path, "expected": expected, "actual": actual} for path, expected, actual in result.changes
            ],
            **({"actual": result.actual} if result.missing else {}),
        }
        for result in results
    ]
