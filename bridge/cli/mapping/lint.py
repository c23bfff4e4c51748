"""``aep-bridge mapping lint``: what is wrong in a mapping set, and what would become of real events under it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import TYPE_CHECKING, Final

import typer

from bridge.cli.mapping.commands import EVENTS, FILE, FROM_KAFKA, JSON, PRIMARY_IDENTITY, SCHEMA, TENANT, mapping
from bridge.cli.route_option import MAPPED_ROUTE
from bridge.cli.terminal import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.cli.mapping.inputs import Read
    from bridge.mapping.sets.findings import Finding
    from bridge.mapping.workshop.event_verdicts import Verdicts
    from bridge.settings import MappingSettings


_STOPS: Final = frozenset(
    {"tenant_unknown", "tenant_example", "primary_not_listed", "namespace_unknown", "schema_class", "schema_id_differs"}
)
"""Codes of findings with which neither a worker starts nor ``check`` is green."""


class Format(StrEnum):
    """Forms of lint's report."""

    TABLE = "table"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


@mapping.command()
def lint(  # noqa: PLR0917 - typer reads the signature
    file: Path = FILE,
    schema: Path | None = SCHEMA,
    events: list[str] = EVENTS,
    from_kafka: int | None = FROM_KAFKA,
    tenant: str | None = TENANT,
    primary_identity: str | None = PRIMARY_IDENTITY,
    as_json: bool = JSON,
    form: Format = typer.Option(Format.TABLE, "--format", help="Form of the report."),
    _route: str | None = MAPPED_ROUTE,
) -> None:
    """Find what is wrong in a mapping set. Exit 1 when there are errors, 0 when there are only warnings or nothing.

    With events, each is mapped and checked as in the worker: lint shows how many would be refused, at which field, and why;
    that is an error, too. Paths that no event has are reported.

    Examples:
        aep-bridge mapping lint mapping.csv

        aep-bridge mapping lint mapping.csv --schema schema.json --events events.jsonl --tenant _yourorgname

        aep-bridge mapping lint mapping.csv --from-kafka 200

        aep-bridge mapping lint mapping.csv --format github
    """
    from bridge.cli.mapping import inputs as given
    from bridge.cli.mapping import set_parts, show
    from bridge.mapping.lint.codes import CODES
    from bridge.mapping.lint.rules import summary

    settings = set_parts.mapping_settings(path=file, tenant=tenant, schema=schema, primary_identity=primary_identity)
    read = [one for source in events for one in given.events(source)]
    if from_kafka is not None:
        read += given.newest_events(from_kafka)
    findings, verdicts = linted(settings, read)
    if as_json or form is Format.JSON:
        show.data([finding.as_json() for finding in findings])
    elif form is Format.GITHUB:
        show.github(findings, str(file))
    elif form is Format.SARIF:
        show.sarif(findings, str(file), CODES)
    else:
        show.findings_list(findings, str(file))
        # What keeps the worker from starting is no verdict on an event: beside it, "none would be refused" would mislead.
        stops = sorted({one.code for one in findings if one.severity == "error" and one.code in _STOPS})
        fate = f"; the worker would not start with it ({', '.join(stops)})" if stops else ""
        if verdicts is not None and (verdicts.refused or not stops):
            fate += f"; {verdicts.summary}"
        say(f"{file}: {summary(findings)}{fate}")
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)


def linted(settings: MappingSettings, read: Sequence[Read]) -> tuple[tuple[Finding, ...], Verdicts | None]:
    """All findings for the mapping set of ``settings``, and what would become of the events where it compiles."""
    from bridge.cli.mapping import set_parts
    from bridge.mapping.lint.rules import lint_file
    from bridge.mapping.sets.findings import in_order
    from bridge.mapping.sets.table import load_mapping_set
    from bridge.mapping.workshop.samples import Samples
    from bridge.model.errors import MappingError

    findings = lint_file(
        lambda: load_mapping_set(settings.path),
        tenant=settings.tenant,
        primary_identity=settings.primary_identity[0],
        placeholders=settings.placeholders,
        schema=set_parts.schema_for(settings),
        samples=Samples(one.event for one in read if one.refusal is None) if read else None,
        # The default names a demo's namespaces: only a list that somebody has written says what is meant.
        priority=settings.primary_identity,
        rules=set_parts.rules_of(settings),
    )
    if not read:
        return findings, None
    try:
        judge = set_parts.judge_of(set_parts.builder(settings), settings)
    except MappingError:  # what keeps it from compiling is among the findings
        return findings, None
    verdicts = judge.verdicts(one.given for one in read)
    return in_order([*findings, *verdicts.findings()]), verdicts
