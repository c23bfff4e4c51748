"""``aep-bridge mapping preview``: the ExperienceEvents that events become, row by row, or where two mapping sets differ."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import TYPE_CHECKING, Any

import typer

from bridge.cli.mapping.commands import FILE, FROM_KAFKA, JSON, PRIMARY_IDENTITY, SCHEMA, TENANT, mapping
from bridge.cli.route_option import MAPPED_ROUTE
from bridge.cli.terminal import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.cli.mapping.inputs import Read
    from bridge.mapping.workshop.event_verdicts import Judge
    from bridge.mapping.workshop.trace import Change
    from bridge.xdm.experience_event import Built


@mapping.command()
def preview(  # noqa: PLR0917 - typer reads the signature
    file: Path = FILE,
    event: str | None = typer.Option(
        None, "--event", "-e", help="Events: a file of JSON or JSON lines, or - for stdin."
    ),
    from_kafka: int | None = FROM_KAFKA,
    dead_letter: str | None = typer.Option(
        None,
        "--dead-letter",
        metavar="PARTITION/OFFSET",
        help="The event in this dead letter, as deadletters list names it.",
    ),
    tenant: str | None = TENANT,
    primary_identity: str | None = PRIMARY_IDENTITY,
    schema: Path | None = SCHEMA,
    diff: Path | None = typer.Option(None, "--diff", help="Another mapping set: show where the two differ."),
    show_event: bool = typer.Option(False, "--show-event", help="Also show the event as the mapping sees it."),
    as_is: bool = typer.Option(False, "--as-is", help="Accept any JSON object as it is: no envelope, nothing added."),
    as_json: bool = JSON,
    _route: str | None = MAPPED_ROUTE,
) -> None:
    """Map events and show the XDM that goes out; without --json also a list by row. Exit 1 when an event would be rejected.

    Several events give an array. What would be rejected is printed anyway, its reason on stderr. A dead letter that
    deadletters show has printed stands for the event in it.

    Examples:
        aep-bridge mapping preview mapping.csv --event event.json --tenant _yourorgname

        aep-bridge mapping preview mapping.csv --event events.jsonl --json

        aep-bridge mapping preview mapping.csv --dead-letter 2/4

        aep-bridge mapping preview mapping.csv --diff before.csv --event events.jsonl
    """
    from bridge.cli.mapping import set_parts
    from bridge.routes.moengage_events import MoEngageEvents

    settings = set_parts.mapping_settings(path=file, tenant=tenant, schema=schema, primary_identity=primary_identity)
    made = set_parts.builder(settings)
    read = _read(event, from_kafka, dead_letter, as_is=as_is)
    build = set_parts.departing_of(made, settings)
    built = [build(one.event) for one in read]
    disagreeing = set_parts.disagreements_of(made, settings)
    for finding in disagreeing:
        if finding.code in ("tenant_unknown", "destination_unknown"):
            say(f"the worker would not start: {finding}")
    if diff is not None:
        before = set_parts.mapping_settings(path=diff, tenant=tenant, schema=schema, primary_identity=primary_identity)
        other = set_parts.departing_of(set_parts.builder(before), before)
        _differences(built, [other(one.event) for one in read], file, diff, as_json=as_json)
        return
    if as_json:
        _print_json(read, built, show_event=show_event)
    else:
        # What a row gave stands where it was written, before elements were made of it.
        plain = made.map_event if isinstance(made, MoEngageEvents) else None
        _print_traces(read, built, made.mapping, show_event=show_event, plain=plain)
    judge = set_parts.judge_of(made, settings)
    refused = [
        _reasons(number, one, result, judge)
        for number, (one, result) in enumerate(zip(read, built, strict=True), start=1)
    ]
    if any(refused) or any(finding.code in ("tenant_unknown", "destination_unknown") for finding in disagreeing):
        raise typer.Exit(1)


def _read(event: str | None, from_kafka: int | None, dead_letter: str | None, *, as_is: bool) -> list[Read]:
    from bridge.cli.mapping import inputs as given

    sources = [source for source in (event, from_kafka, dead_letter) if source is not None]
    if len(sources) != 1:
        raise typer.BadParameter(
            "one of --event, --from-kafka and --dead-letter says which events", param_hint="--event"
        )
    if event is not None:
        return given.some_events(event, as_is=as_is)
    if dead_letter is not None:
        return given.dead_letter_event(dead_letter)
    read = given.newest_events(from_kafka or 1)
    if not read:
        raise given.InputError("there is no event in the topic")
    return read


def _print_json(read: Sequence[Read], built: Sequence[Built], *, show_event: bool) -> None:
    from bridge.cli.mapping import show

    shown: list[Any] = [result.xdm for result in built]
    if show_event:
        shown = [{"event": one.event, "xdm": xdm} for one, xdm in zip(read, shown, strict=True)]
    show.data(shown[0] if len(shown) == 1 else shown)


def _print_traces(
    read: Sequence[Read], built: Sequence[Built], compiled: Any, *, show_event: bool, plain: Any = None
) -> None:
    from bridge.cli.mapping import show
    from bridge.mapping.workshop.trace import Tracer

    tracer = Tracer(compiled)
    for number, (one, result) in enumerate(zip(read, built, strict=True), start=1):
        if len(read) > 1:
            print(f"# event {number}")
        if show_event:
            print("# the event as the mapping sees it")
            show.data(one.event)
            print("# the ExperienceEvent that it becomes" if plain is None else "# the call that carries it")
        show.data(result.xdm)
        show.trace_list(tracer.trace(one.event, result.xdm if plain is None else plain(one.event)[0]))


def _reasons(number: int, read: Read, built: Built, judge: Judge) -> bool:
    """Say on stderr what is to be said of one event; whether it would be rejected."""
    if read.refusal is not None:
        say(f"event {number}: rejected ({read.refusal.code}): {read.refusal.reason}")
        return True
    for group in judge.verdicts([read.event]).groups:
        fix = f" (fix: {group.fix})" if group.fix else ""
        at = f"{group.path}: " if group.path else ""
        if group.outcome == "refused":
            say(f"event {number}: rejected ({group.code}): {at}{group.reason}{fix}")
        elif group.outcome == "nulled":
            say(f"event {number}: row {group.row} ({group.path}) is null: {group.reason}")
        elif group.code == "identity_dropped":
            say(f"event {number}: identity {group.path.partition('.')[2]} dropped: {group.reason}")
        elif group.outcome == "lost":
            say(f"event {number}: {group.place}: left out: {group.reason} [{group.code}]{fix}")
        else:
            say(f"event {number}: {at}{group.reason} [{group.code}]{fix}")
    return built.rejection is not None


def _differences(this: Sequence[Built], other: Sequence[Built], file: Path, diff: Path, *, as_json: bool) -> None:
    from bridge.cli.mapping import show
    from bridge.mapping.workshop.trace import differences

    found: list[tuple[int, Change]] = []
    for number, (left, right) in enumerate(zip(this, other, strict=True), start=1):
        found += [(number, change) for change in differences(_outcome(left), _outcome(right))]
    if as_json:
        show.data([{"event": number, **change._asdict()} for number, change in found])
        return
    for number in dict.fromkeys(number for number, _ in found):
        print(f"# event {number}")
        show.changes_list([change for at, change in found if at == number], str(file), str(diff))
    say(f"{len({number for number, _ in found})} of {len(this)} events differ")


def _outcome(built: Built) -> dict[str, Any]:
    return {**built.xdm, "(rejected)": built.rejection.code} if built.rejection is not None else built.xdm
