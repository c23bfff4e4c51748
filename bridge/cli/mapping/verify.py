"""``aep-bridge mapping verify``: the mapping set before Adobe's own validation and preview."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import TYPE_CHECKING, Any

import typer

from bridge.cli.mapping.commands import EVENTS, FROM_KAFKA, JSON, mapping
from bridge.cli.route_option import ROUTE, only, under_its_name
from bridge.cli.terminal import say
from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from bridge.mapping.workshop.adobe_comparison import Difference
    from bridge.routes.mapping_verification import Verified
    from bridge.settings import Route

_CALLS = 20
"""Events in one preview: Adobe shows up to a hundred rows, and answers within a minute."""


@mapping.command()
def verify(  # noqa: PLR0917 - typer reads the signature
    file: Path | None = typer.Argument(None, metavar="[MAPPING]", help="Mapping set; else that of the settings."),
    events: list[str] = EVENTS,
    from_kafka: int | None = FROM_KAFKA,
    case_file: Path | None = typer.Option(
        None, "--case", metavar="FILE", help="Write the differences there as JSON, each with its event."
    ),
    as_json: bool = JSON,
    route: str | None = ROUTE,
) -> None:
    """Have Adobe validate the mapping set and map events with it, and show where its result differs from this engine's.

    Two calls to Adobe (Data Prep: validate and preview) that store nothing; the events go to Adobe. Needs the credential and
    BRIDGE_AEP__SCHEMA_ID. Exit 1 when Adobe refuses a row or computes something else: what Adobe computes differently
    is a bug of this engine, and the file of --case has all that is needed to fix it. It contains the events: read it before you send it.

    Examples:
        aep-bridge mapping verify --events events.jsonl

        aep-bridge mapping verify mapping.csv --from-kafka 20 --case difference.json
    """
    from bridge.cli.mapping import inputs as given
    from bridge.cli.mapping import show
    from bridge.settings import load_deployment

    said = {} if file is None else {"mapping": {"path": file}}
    selected = only(load_deployment(**said).routes, route)
    with under_its_name(selected):
        read = [one for source in events for one in given.events(source)]
        if from_kafka is not None:
            read += given.newest_events(from_kafka)
        documents = [one.event for one in read if one.refusal is None]
        verified = asyncio.run(_verify(selected, documents))
    if case_file is not None and verified.cases:
        _write(case_file, verified.cases)
    if as_json:
        show.data(verified.as_json())
    else:
        _print(verified, case_file)
    raise typer.Exit(0 if verified.agrees else 1)


async def _verify(route: Route, events: list[dict[str, Any]]) -> Verified:
    from bridge.cli.setup.commands import opened
    from bridge.cli.terminal import hush
    from bridge.routes.mapping_verification import verified

    hush()
    async with opened(route) as client:
        say("asking Adobe to validate the mapping set" + (f" and to map {len(events)} events …" if events else " …"))
        return await verified(client, route.settings, events, at_once=_CALLS)


def _write(path: Path, cases: list[dict[str, Any]]) -> None:
    try:
        path.write_text(json.dumps(cases, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise BridgeError(f"{path} cannot be written: {error.strerror or error}") from None


def _print(verified: Verified, case_file: Path | None) -> None:
    from bridge.cli.mapping import show

    for line, destination, why in verified.refused:
        print(show.cut(f"row {line}: {destination}: Adobe refuses it: {why}"))
    for number, found in enumerate(verified.differences, start=1):
        for one in found:
            print(show.cut(f"event {number}, {_place(one)}: {one.path}"))
            print(show.cut(f"    ours    {show.short(one.ours)}"))
            print(
                show.cut(
                    f"    Adobe's {show.short(one.adobes)}" + (f"  ({one.adobes_error})" if one.adobes_error else "")
                )
            )
    say(
        f"{verified.rows} rows, {len(verified.refused)} refused; {verified.events} events,"
        f" {sum(map(bool, verified.differences))} of them with differences"
    )
    if not verified.events:
        say("no event was given: --events FILE or --from-kafka N has Adobe map some, too")
    if any(verified.differences):
        say(
            f"{case_file} has them with their events; please send it to us"
            if case_file
            else "--case FILE writes them with their events, to be sent to us"
        )


def _place(one: Difference) -> str:
    return "no row" if one.row is None else f"row {one.row}"
