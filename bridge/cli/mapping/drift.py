"""``aep-bridge mapping drift``: what comes in and is not mapped."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import TYPE_CHECKING, Any

import typer

from bridge.cli.mapping.commands import EVENTS, FROM_KAFKA, JSON, mapping
from bridge.cli.route_option import MAPPED_ROUTE
from bridge.cli.terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.mapping.compiler.mapping_compiler import CompiledMapping
    from bridge.mapping.workshop.drift import Drift, Seen
    from bridge.settings import MappingSettings


@mapping.command()
def drift(
    file: Path | None = typer.Argument(None, metavar="[MAPPING]", help="Mapping set; else that of the settings."),
    events: list[str] = EVENTS,
    from_kafka: int | None = FROM_KAFKA,
    as_json: bool = JSON,
    _route: str | None = MAPPED_ROUTE,
) -> None:
    """Show what comes in and is not mapped: attributes and event codes that no row reads, changed types, rows that read nothing.

    Each with how often, first and last seen, a masked example, and the row to add; with a schema only into a field that it has. Times are those of the records, or of the
    events where they come from a file.

    Examples:
        aep-bridge mapping drift --from-kafka 1000

        aep-bridge mapping drift mapping.csv --events events.jsonl --json
    """
    from bridge.cli.mapping import inputs as given
    from bridge.cli.mapping import set_parts, show
    from bridge.mapping.compiler.mapping_compiler import compile_mapping
    from bridge.mapping.sets.table import load_mapping_set
    from bridge.mapping.workshop.drift import Drift

    settings = set_parts.mapping_settings(path=file)
    timed = given.newest_timed(from_kafka) if from_kafka is not None else []
    timed += [(_time_of(read.event), read) for source in events for read in given.events(source)]
    found = [(at, read.event) for at, read in timed if read.refusal is None]
    if not found:
        raise given.InputError("there are no events", hint="give --events FILE or --from-kafka N")
    compiled = compile_mapping(
        load_mapping_set(settings.path),
        tenant=settings.tenant,
        primary_identity=settings.primary_identity[0],
        placeholders=settings.placeholders,
    )
    sketch = Drift(compiled.rows)
    for at, event in found:
        sketch.look(event, at)
    row = _row_for(settings, compiled)
    if as_json:
        show.data(_as_json(sketch, row))
    else:
        _print(sketch, row)
        say(
            f"of {sketch.events} events: attributes that no row reads: {len(sketch.unmapped())}, event codes that no row names:"
            f" {len(sketch.unlisted_codes())}, changed types: {len(sketch.changed_kinds())}, sources not seen:"
            f" {len(sketch.unseen())}"
        )


def _row_for(settings: MappingSettings, compiled: CompiledMapping) -> Callable[[str], str | None]:
    """What gives the row to add for a path; None where the schema has no field for it."""
    from bridge.cli.mapping import inputs as given
    from bridge.cli.mapping import set_parts
    from bridge.mapping.workshop.drift import row_for_schema, row_to_add

    if set_parts.is_for_moengage(settings):
        from bridge.routes.moengage_proposal import row_for_moengage

        source, rows = given.kind_of_events(), [row.destination for row in compiled.mapping_set.rows]
        return lambda path: row_for_moengage(path, source, rows)
    schema = set_parts.schema_for(settings)
    taken = [one.destination for one in compiled.rows]
    if schema is None:
        written = [row.destination for row in compiled.mapping_set.rows]
        return lambda path: row_to_add(path, written)
    return lambda path: row_for_schema(path, schema, taken, settings.tenant)


def _time_of(event: dict[str, Any]) -> float:
    time = event.get("time")
    return float(time) if isinstance(time, int | float) and not isinstance(time, bool) else 0.0


def _as_json(sketch: Drift, row: Callable[[str], str | None]) -> dict[str, Any]:
    return {
        "events": sketch.events,
        "unmapped": [{"path": path, **_shown(seen), "row": row(path)} for path, seen in sketch.unmapped().items()],
        "event_codes": [{"event_code": code, **_shown(seen)} for code, seen in sketch.unlisted_codes().items()],
        "changed_types": [{"path": path, **_shown(seen)} for path, seen in sketch.changed_kinds().items()],
        "unseen": [{"path": path, "rows": lines} for path, lines in sketch.unseen().items()],
        "not_kept": sketch.overflow,
    }


def _shown(seen: Seen) -> dict[str, Any]:
    return {**seen.as_json(), "first": _when(seen.first), "last": _when(seen.last)}


def _print(sketch: Drift, row: Callable[[str], str | None]) -> None:
    from bridge.cli.mapping import show

    for title, found in (
        ("attributes that no row reads", sketch.unmapped()),
        ("event codes that no row names", sketch.unlisted_codes()),
        ("values of more than one type", sketch.changed_kinds()),
    ):
        if found:
            print(f"{title}:")
        for name, seen in found.items():
            kinds = ", ".join(f"{kind} {count}" for kind, count in seen.kinds.most_common())
            print(show.cut(f"  {name}"))
            print(
                show.cut(
                    f"      {seen.count} events, {_when(seen.first)} to {_when(seen.last)}"
                    + (f"; {kinds}" if kinds else "")
                )
            )
            if title.startswith("attributes"):
                wanted = row(name)
                add = "row to add:" if wanted else "the schema has no field of such a name: add one there first"
                print(show.cut(f"      e.g. {show.short(seen.example)}; {add}"))
                if wanted:
                    # Whole whatever the width: it is there to be copied.
                    print(f"      {wanted}")
    unseen = sketch.unseen()
    if unseen:
        print("sources that no event has:")
    for path, lines in unseen.items():
        print(show.cut(f"  {path} (row {', '.join(map(str, lines))})"))


def _when(at: float) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else "?"
    except (ValueError, OverflowError, OSError):
        return "?"
