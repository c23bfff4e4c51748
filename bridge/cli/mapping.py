"""``aep-bridge mapping``: lint, preview, try, test, start, convert and understand mapping sets."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import TYPE_CHECKING, Any

import typer

from bridge.cli import app, words
from bridge.cli.route_option import ROUTE
from bridge.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.cli.mapping_input import Read
    from bridge.mapping.evaluation import Evaluated
    from bridge.mapping.trace import Change
    from bridge.xdm.experience_event import Built

mapping = typer.Typer(
    name="mapping",
    help="Write, check, try and understand mapping sets (Adobe Data Prep), without Adobe and without a network.",
    no_args_is_help=True,
)
app.add_typer(mapping)

FILE = typer.Argument(..., help="Mapping set, CSV or Data Prep JSON.", metavar="MAPPING")
_TENANT = typer.Option(
    None, "--tenant", help="Tenant namespace for {tenant}, such as _yourorgname; else from the settings."
)
SCHEMA = typer.Option(None, "--schema", help="XDM schema (JSON) to check against.")
JSON = typer.Option(False, "--json", help="JSON on stdout.")


class Format(StrEnum):
    """Forms of lint's report."""

    TABLE = "table"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


def say(text: str) -> None:
    """Words for a person, on stderr, as they are."""
    words.print(text, markup=False, soft_wrap=True)


@mapping.command()
def lint(  # noqa: PLR0917 - typer reads the signature
    file: Path = FILE,
    schema: Path | None = SCHEMA,
    events: list[str] = typer.Option(
        [], "--events", help="Sample events: source paths that none of them has are found."
    ),
    tenant: str | None = _TENANT,
    as_json: bool = JSON,
    form: Format = typer.Option(Format.TABLE, "--format", help="Form of the report."),
    route: str | None = ROUTE,
) -> None:
    """Find what is wrong in a mapping set. Exit 1 when there are errors, 0 when there are only warnings or nothing.

    Examples:
        aep-bridge mapping lint mapping.csv

        aep-bridge mapping lint mapping.csv --schema schema.json --events events.jsonl --tenant _yourorgname

        aep-bridge mapping lint mapping.csv --format github
    """
    from bridge import shipped
    from bridge.cli import mapping_show as show
    from bridge.cli.mapping_input import mapping_settings, sampled, schema_of
    from bridge.mapping.lint import lint_file, summary
    from bridge.mapping.lint_codes import CODES
    from bridge.mapping.table import load_mapping_set

    settings = mapping_settings(route=route, tenant=tenant)
    findings = lint_file(
        lambda: load_mapping_set(shipped.find(file)),
        tenant=settings.tenant,
        primary_identity=settings.primary_identity[0],
        placeholders=settings.placeholders,
        schema=schema_of(schema, settings.tenant),
        samples=sampled(events) if events else None,
    )
    if as_json or form is Format.JSON:
        show.data([finding.as_json() for finding in findings])
    elif form is Format.GITHUB:
        show.github(findings, str(file))
    elif form is Format.SARIF:
        show.sarif(findings, str(file), CODES)
    else:
        if findings:
            show.findings_table(findings)
        say(f"{file}: {summary(findings)}")
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)


@mapping.command()
def preview(  # noqa: PLR0917 - typer reads the signature
    file: Path = FILE,
    event: str = typer.Option(..., "--event", "-e", help="Events: a file of JSON or JSON lines, or - for stdin."),
    tenant: str | None = _TENANT,
    schema: Path | None = SCHEMA,
    diff: Path | None = typer.Option(None, "--diff", help="Another mapping set: show where the two differ."),
    as_json: bool = JSON,
    route: str | None = ROUTE,
) -> None:
    """Map events and show the XDM; without --json also a table by row. Exit 1 when an event would be rejected.

    Several events give an array. What would be rejected is printed all the same, its reason on stderr.

    Examples:
        aep-bridge mapping preview mapping.csv --event event.json --tenant _yourorgname

        aep-bridge mapping preview mapping.csv --event events.jsonl --json

        aep-bridge mapping preview mapping.csv --diff before.csv --event events.jsonl
    """
    from bridge.cli.mapping_input import builder, mapping_settings, some_events
    from bridge.xdm.size import sized

    settings = mapping_settings(route=route, tenant=tenant, schema=schema)
    made = builder(file, settings, settings.schema_)
    read = some_events(event)
    build = sized(made.build, settings)
    built = [build(one.event) for one in read]
    if diff is not None:
        other = sized(builder(diff, settings, settings.schema_).build, settings)
        _differences(built, [other(one.event) for one in read], file, diff, as_json=as_json)
        return
    if as_json:
        _print_xdm(built)
    else:
        _print_traces(read, built, made.mapping)
    refused = [
        _reasons(number, one, result) for number, (one, result) in enumerate(zip(read, built, strict=True), start=1)
    ]
    if any(refused):
        raise typer.Exit(1)


def _print_xdm(built: Sequence[Built]) -> None:
    from bridge.cli import mapping_show as show

    show.data(built[0].xdm if len(built) == 1 else [one.xdm for one in built])


def _print_traces(read: Sequence[Read], built: Sequence[Built], compiled: Any) -> None:
    from bridge.cli import mapping_show as show
    from bridge.mapping.trace import Tracer

    tracer = Tracer(compiled)
    for number, (one, result) in enumerate(zip(read, built, strict=True), start=1):
        if len(read) > 1:
            print(f"# event {number}")
        show.data(result.xdm)
        show.trace_table(tracer.trace(one.event))


def _reasons(number: int, read: Read, built: Built) -> bool:
    """Say on stderr what is to be said of one event; whether it would be rejected."""
    for warning in built.warnings:
        say(f"event {number}: row {warning.row} ({warning.destination}) is null: {warning.reason}")
    for dropped in built.dropped_identities:
        say(f"event {number}: identity {dropped.namespace} dropped: {dropped.reason}")
    for finding in built.findings:
        say(f"event {number}: {finding.path}: {finding.reason}")
    if read.refusal is not None:
        say(f"event {number}: rejected (decode): {read.refusal}")
        return True
    if built.rejection is not None:
        say(f"event {number}: rejected ({built.rejection.code}): {built.rejection.reason}")
        return True
    return False


def _differences(this: Sequence[Built], other: Sequence[Built], file: Path, diff: Path, *, as_json: bool) -> None:
    from bridge.cli import mapping_show as show
    from bridge.mapping.trace import differences

    found: list[tuple[int, Change]] = []
    for number, (left, right) in enumerate(zip(this, other, strict=True), start=1):
        found += [(number, change) for change in differences(_outcome(left), _outcome(right))]
    if as_json:
        show.data([{"event": number, **change._asdict()} for number, change in found])
        return
    for number in dict.fromkeys(number for number, _ in found):
        print(f"# event {number}")
        show.changes_table([change for at, change in found if at == number], str(file), str(diff))
    say(f"{len({number for number, _ in found})} of {len(this)} events differ")


def _outcome(built: Built) -> dict[str, Any]:
    return {**built.xdm, "(rejected)": built.rejection.code} if built.rejection is not None else built.xdm


@mapping.command(name="eval", context_settings={"ignore_unknown_options": True})
def evaluate(
    expression: str | None = typer.Argument(None, metavar="[EXPR]", help="An expression; without one, a prompt."),
    event: str | None = typer.Option(None, "--event", "-e", help="The event it reads; without one, {}."),
) -> None:
    """Evaluate one expression: a JSON value, null when null, dates as ISO 8601. Several events give a line each.

    Without an expression it asks for one after the other.

    Examples:
        aep-bridge mapping eval 'upper(event_name)' --event event.json

        aep-bridge mapping eval --event event.json
    """
    from bridge.cli.mapping_input import some_events

    given = some_events(event) if event is not None else []
    # An object that is no event of MoEngage's is good enough to try an expression on; a number is not.
    nothing = [(number, one.refusal) for number, one in enumerate(given, start=1) if one.refusal and not one.event]
    if nothing:
        raise BridgeError("\n".join(f"event {number}: {refusal}" for number, refusal in nothing))
    read = [one.event for one in given] or [{}]
    if expression is None:
        _prompt(read)
        return
    for one in read:
        _print_value(_evaluate(expression, one))


def _evaluate(expression: str, event: dict[str, Any]) -> Evaluated:
    from bridge.mapping.evaluation import compile_expression

    return compile_expression(expression).evaluate(event)


def _print_value(evaluated: Evaluated) -> None:
    from bridge.cli import mapping_show as show

    show.data(evaluated.value, indent=None)
    if evaluated.reason is not None:
        say(f"null: {evaluated.reason}")


def _prompt(read: Sequence[dict[str, Any]]) -> None:
    """Read expressions until the end of input; ``?name`` explains a function."""
    interactive = sys.stdin.isatty()
    if interactive:
        import contextlib

        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - line editing for input()
        say("Expressions over the event; ?name explains a function, an empty line or Ctrl-D ends.")
    while True:
        try:
            line = input("> " if interactive else "").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if not line:
            if interactive:
                return
            continue
        try:
            if line.startswith("?"):
                _describe(line[1:].strip())
            else:
                for one in read:
                    _print_value(_evaluate(line, one))
        except BridgeError as error:
            say(f"{error}; {error.hint}" if error.hint else str(error))


@mapping.command()
def functions(
    name: str | None = typer.Argument(None, help="One function (or method) by name."),
    as_json: bool = JSON,
) -> None:
    """List the functions of the language, or explain one.

    Examples:
        aep-bridge mapping functions

        aep-bridge mapping functions dformat
    """
    from bridge.cli import mapping_show as show
    from bridge.mapping.functions import FUNCTIONS, METHODS

    if name is not None:
        _describe(name, as_json=as_json)
        return
    every = list({id(one): one for one in (*FUNCTIONS.values(), *METHODS.values())}.values())
    if as_json:
        show.data([show.function_json(one) for one in every])
    else:
        show.functions_table(every)


def _describe(name: str, *, as_json: bool = False) -> None:
    from bridge.cli import mapping_show as show
    from bridge.mapping.findings import nearest
    from bridge.mapping.functions import FUNCTIONS, METHODS

    bare = name.removeprefix(".")
    found = FUNCTIONS.get(bare) or METHODS.get(bare)
    if found is None:
        near = nearest(bare, [*FUNCTIONS, *METHODS])
        raise BridgeError(
            f"no function {name}", hint=f"did you mean {near}?" if near else "mapping functions lists them"
        )
    if as_json:
        show.data(show.function_json(found))
        return
    lines = [show.signature(found), found.summary, f"gives: {found.returns}", f"works in: {found.availability}"]
    if found.aliases:
        lines.append(f"also: {', '.join(found.aliases)}")
    lines += [
        f"  {one.name}: {one.kind}{'' if one.required else ', optional'}{', repeated' if one.variadic else ''}"
        for one in found.parameters
    ]
    if found.refused:
        lines.append(f"refused: {found.refused}")
    print("\n".join(lines))


from bridge.cli import mapping_sets as _sets  # noqa: E402, F401 - registers its commands on mapping
