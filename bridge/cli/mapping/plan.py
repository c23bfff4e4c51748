"""``aep-bridge mapping plan``: what taking a changed mapping set would do, before it is taken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import TYPE_CHECKING, Final

import typer

from bridge.cli.mapping.commands import EVENTS, FROM_KAFKA, JSON, PRIMARY_IDENTITY, SCHEMA, TENANT, mapping
from bridge.cli.route_option import MAPPED_ROUTE
from bridge.cli.terminal import say

if TYPE_CHECKING:
    from bridge.cli.mapping.inputs import Read
    from bridge.mapping.sets.findings import Finding
    from bridge.mapping.workshop.plan import Plan
    from bridge.settings import MappingSettings

_UNKNOWN: Final = frozenset({"tenant_unknown", "destination_unknown", "primary_not_listed"})


@mapping.command()
def plan(  # noqa: PLR0917 - typer reads the signature
    new: Path = typer.Argument(..., metavar="NEW", help="The changed mapping set."),
    against: Path | None = typer.Option(None, "--against", help="The set it would replace; else that of the settings."),
    events: list[str] = EVENTS,
    from_kafka: int | None = FROM_KAFKA,
    tenant: str | None = TENANT,
    primary_identity: str | None = PRIMARY_IDENTITY,
    schema: Path | None = SCHEMA,
    as_json: bool = JSON,
    _route: str | None = MAPPED_ROUTE,
) -> None:
    """Compare a changed mapping set with the one in use over real events, golden cases, schema, tenant and namespaces.

    Exit 0 when nothing changes, 3 when something does, 1 when the new set is wrong or would refuse events that the old one accepts.
    The options for tenant, namespaces and schema apply to both sets.

    Examples:
        aep-bridge mapping plan mapping.csv --from-kafka 500

        aep-bridge mapping plan new.csv --against old.csv --events events.jsonl --json
    """
    from bridge.cli.mapping import inputs as given
    from bridge.cli.mapping import set_parts, show

    before = set_parts.mapping_settings(path=against, tenant=tenant, schema=schema, primary_identity=primary_identity)
    after = set_parts.mapping_settings(path=new, tenant=tenant, schema=schema, primary_identity=primary_identity)
    read = [one for source in events for one in given.events(source)]
    if from_kafka is not None:
        read += given.newest_events(from_kafka)
    found = planned(before, after, read)
    if as_json:
        show.data(found.as_json())
    else:
        _print(found)
    raise typer.Exit(found.exit_code)


def planned(before: MappingSettings, after: MappingSettings, read: list[Read]) -> Plan:
    """The whole comparison; a new set that cannot be compiled is a problem, an old one an error."""
    from bridge.cli.mapping import inputs as given
    from bridge.cli.mapping import set_parts
    from bridge.cli.route_option import settings_for
    from bridge.mapping.sets.table import load_mapping_set
    from bridge.mapping.workshop.plan import Plan, compare, rows_changed, settings_changed
    from bridge.model.errors import BridgeError
    from bridge.routes.golden_cases import failing
    from bridge.routes.moengage_files import failing as moengage_failing

    moengage = settings_for("moengage").moengage
    old = set_parts.builder(before)
    try:
        new = set_parts.builder(after)
    except BridgeError as error:
        return Plan(0, problems=(str(error),))
    rows = rows_changed(load_mapping_set(before.path), load_mapping_set(after.path))
    disagreeing = set_parts.disagreements_of(new, after)
    findings = _strangers(after)
    known = {(one.code, one.row) for one in findings}
    findings += [one for one in disagreeing if (one.code, one.row) not in known]
    problems = [str(finding) for finding in findings]
    try:
        broken = (
            moengage_failing(after, moengage, given.decoder()) if set_parts.is_for_moengage(after) else failing(after)
        )
    except BridgeError as error:
        problems.append(str(error))
    else:
        problems += [f"golden case {name} does not hold" for name in broken]
    compared = compare(
        set_parts.departing_of(old, before),
        set_parts.departing_of(new, after),
        [one.event for one in read if one.refusal is None],
    )
    return replace(
        compared,
        problems=tuple(problems),
        rows=tuple(rows),
        settings=tuple(settings_changed(before, after)),
        findings=tuple(findings),
    )


def _strangers(settings: MappingSettings) -> list[Finding]:
    """What the schema and the namespaces do not know of a set.

    Of namespaces only where the settings name them: the default names a demo's.
    """
    from bridge.cli.mapping import set_parts
    from bridge.mapping.lint.rules import lint
    from bridge.mapping.sets.table import load_mapping_set

    findings = lint(
        load_mapping_set(settings.path),
        tenant=settings.tenant,
        primary_identity=settings.primary_identity[0],
        placeholders=settings.placeholders,
        schema=set_parts.schema_for(settings),
        priority=settings.primary_identity if "primary_identity" in settings.model_fields_set else (),
        rules=set_parts.rules_of(settings),
    )
    return [finding for finding in findings if finding.code in _UNKNOWN and finding.severity == "error"]


def _print(found: Plan) -> None:
    from bridge.cli.mapping import show

    for title, lines in (
        ("problems", found.problems),
        ("rows", found.rows),
        ("settings", found.settings),
        ("newly refused", [f"{one.events} events: {one.code} {one.path}: {one.reason}" for one in found.newly_refused]),
        ("newly accepted", [f"{one.events} events: {one.code} {one.path}" for one in found.newly_accepted]),
        (
            "newly left out",
            [f"{one.events} events: {one.code} {one.path}: {one.reason}" for one in found.newly_dropped],
        ),
        ("no longer left out", [f"{one.events} events: {one.code} {one.path}" for one in found.no_longer_dropped]),
    ):
        if lines:
            print(f"{title}:")
            print("\n".join(f"  {line}" for line in lines))
    if found.changed:
        print("fields that change:")
    for one in found.changed:
        print(f"  {one.path or '.'} ({one.events} of {found.events} events)")
        print(show.cut(f"    - {show.short(one.before)}"))
        print(show.cut(f"    + {show.short(one.after)}"))
    if not found.events:
        say("no events to compare over: give --events FILE or --from-kafka N")
    words = {0: "nothing changes", 3: "something changes", 1: "not to be taken as it is"}
    say(
        f"{words[found.exit_code]}; refused {found.refused_before} of {found.events} events before, {found.refused_after} after"
    )
