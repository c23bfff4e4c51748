"""How the mapping commands show what they found: tables for people, JSON, GitHub annotations and SARIF for programs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bridge import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bridge.mapping.findings import Finding
    from bridge.mapping.functions import Function
    from bridge.mapping.golden import Result
    from bridge.mapping.trace import Change, Traced

_SHOWN = 80


def data(value: Any, *, indent: int | None = 2) -> None:
    """JSON on stdout, UTF-8 whatever the terminal says."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")
    sys.stdout.flush()


def console() -> Console:
    """Where tables go: stdout, wide when it is no terminal."""
    plain = Console(highlight=False)
    return plain if plain.is_terminal else Console(highlight=False, width=200)


def short(value: Any) -> str:
    """A value as compact JSON, cut to a cell's width, safe for rich."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return escape(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


def findings_table(findings: Sequence[Finding]) -> None:
    """One line a finding."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("row", "column", "severity", "code", "message", "fix"):
        table.add_column(title, overflow="fold")
    for one in findings:
        place = str(one.row or "-") + (f":{one.position}" if one.position else "")
        style = "red" if one.severity == "error" else "yellow"
        table.add_row(
            place, one.column, f"[{style}]{one.severity}[/]", one.code, escape(one.message), escape(one.fix or "")
        )
    console().print(table)


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


def trace_table(rows: Sequence[Traced]) -> None:
    """Row, destination, source, value read, result and warning."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("row", "destination", "source", "value read", "result", "warning"):
        table.add_column(title, overflow="fold")
    for one in rows:
        read = one.read
        shown = short(next(iter(read.values()))) if len(read) == 1 else short(read) if read else ""
        table.add_row(
            str(one.row), escape(one.destination), short(one.source), shown, short(one.result),
            f"[yellow]{escape(one.warning)}[/]" if one.warning else "",
        )  # fmt: skip
    console().print(table)


def changes_table(changes: Sequence[Change], this: str, other: str) -> None:
    """Path, and the value on each side."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("path", this, other):
        table.add_column(title, overflow="fold")
    for path, left, right in changes:
        table.add_row(escape(path or "."), short(left), short(right))
    console().print(table)


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
            changes_table(result.changes, "expected", "actual")


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


def function_json(function: Function) -> dict[str, Any]:
    """One function of the registry."""
    return {
        "name": function.name,
        "aliases": list(function.aliases),
        "category": function.category,
        "signature": signature(function),
        "returns": function.returns,
        "availability": function.availability,
        "summary": function.summary,
        **({"refused": function.refused} if function.refused else {}),
    }


def signature(function: Function) -> str:
    """``substr(INPUT, START_INDEX, LENGTH)``; optional parameters in brackets."""
    parts = [
        (one.name if one.required else f"[{one.name}]") + (", ..." if one.variadic else "")
        for one in function.parameters
    ]
    return f"{function.name}({', '.join(parts)})"


def functions_table(functions: Sequence[Function]) -> None:
    """Signature, what it does, where it works."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("function", "what it gives", "where"):
        table.add_column(title, overflow="fold")
    for category in dict.fromkeys(one.category for one in functions):
        table.add_row(f"[bold cyan]{escape(category)}[/]", "", "")
        for one in functions:
            if one.category == category:
                where = "refused" if one.refused else "" if one.availability == "all dataflows" else one.availability
                table.add_row(escape(signature(one)), escape(one.summary), escape(where))
    console().print(table)
