"""``aep-bridge mapping convert | test | init``: the commands that write or hold whole mapping sets."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import typer

from bridge.cli.mapping import FILE, JSON, SCHEMA, mapping, say
from bridge.cli.route_option import ROUTE
from bridge.errors import BridgeError


@mapping.command()
def convert(
    file: Path = FILE,
    output: Path | None = typer.Option(None, "--output", "-o", help="File to write (.csv or .json); else stdout."),
    to: str | None = typer.Option(None, "--to", help="csv or json; else the other form, or what --output ends in."),
) -> None:
    """Turn a CSV mapping set into the Data Prep API's JSON, or back; nothing is lost on the way.

    Examples:
        aep-bridge mapping convert mapping.csv --output mapping.json

        aep-bridge mapping convert mapping.json --output mapping.csv
    """
    from bridge import shipped
    from bridge.mapping.convert import to_csv, to_json
    from bridge.mapping.table import load_mapping_set

    where = shipped.find(file)
    mapping_set = load_mapping_set(where)
    if to is None and output is not None and output.suffix.lower() in (".csv", ".json"):
        to = output.suffix.lower()[1:]
    if to is None:
        to = "csv" if where.suffix.lower() == ".json" else "json"
    if to not in ("csv", "json"):
        raise typer.BadParameter("csv or json", param_hint="--to")
    _write(to_csv(mapping_set) if to == "csv" else to_json(mapping_set), output)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.flush()
        return
    try:
        output.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise BridgeError(f"{output}: cannot be written ({error.strerror})") from None
    say(f"wrote {output}")


@mapping.command(name="test")
def run_golden(  # noqa: PLR0917 - typer reads the signature
    directory: Path = typer.Argument(
        ..., help="Golden cases: NAME.event.json with NAME.expected.json or NAME.rejected.json."
    ),
    file: Path | None = typer.Option(None, "--mapping", "-m", help="Mapping set; else that of the settings."),
    schema: Path | None = SCHEMA,
    update: bool = typer.Option(False, "--update", help="Write what comes out as what is expected."),
    as_json: bool = JSON,
    route: str | None = ROUTE,
) -> None:
    """Run golden cases. Exit 1 when one does not hold.

    Examples:
        aep-bridge mapping test mappings/tests --mapping mapping.csv

        aep-bridge mapping test cases --update
    """
    from bridge import shipped
    from bridge.cli import mapping_show as show
    from bridge.cli.mapping_input import builder, mapping_settings
    from bridge.mapping import golden
    from bridge.xdm.size import sized

    cases = golden.load_cases(shipped.find(directory))
    settings = golden.settings_of(cases, mapping_settings(route=route))
    made = builder(file or settings.path, settings, schema or settings.schema_)
    results = golden.run_cases(cases, sized(made.build, settings))
    if update:
        for path in golden.update(results):
            say(f"wrote {path}")
        return
    if as_json:
        show.data(show.golden_json(results))
    else:
        show.golden(results)
    failed = sum(1 for result in results if not result.passed)
    say(f"{len(results) - failed} of {len(results)} cases pass" + ("; --update takes what came out" if failed else ""))
    if failed:
        raise typer.Exit(1)


@mapping.command()
def init(
    schema: Path = typer.Option(..., "--schema", help="The customer's XDM schema (JSON, resolved form)."),
    events: list[str] = typer.Option(..., "--events", help="Real sample events (JSON, JSON lines, -)."),
    output: Path | None = typer.Option(None, "--output", "-o", help="Mapping CSV to write; else stdout."),
    payload: Path | None = typer.Option(
        None, "--payload", help="Where to write the sample payload MoEngage asks for; else beside --output."
    ),
    route: str | None = ROUTE,
) -> None:
    """Write a first mapping set from a schema and sample events; what found no match is listed on stderr.

    Examples:
        aep-bridge mapping init --schema schema.json --events events.jsonl --output mapping.csv
    """
    from bridge.cli.mapping_input import events as read_events
    from bridge.cli.mapping_input import mapping_settings, schema_of
    from bridge.mapping.convert import to_csv
    from bridge.mapping.proposal import propose
    from bridge.mapping.samples import Samples

    compiled_schema = schema_of(schema, "")
    # Read once: stdin has nothing the second time.
    given = [read.event for source in events for read in read_events(source) if read.refusal is None]
    samples = Samples(given)
    if compiled_schema is None or not samples.events:
        raise BridgeError("there is no event among the samples")
    proposal = propose(compiled_schema, samples, event_type=_shipped_event_type())
    _write(to_csv(proposal.mapping_set), output)
    if proposal.tenant is not None and proposal.tenant != mapping_settings(route=route).tenant:
        say(f"the schema's tenant is {proposal.tenant}: set BRIDGE_MAPPING__TENANT, or give --tenant {proposal.tenant}")
    if any("{primary_identity}" in row.destination for row in proposal.mapping_set.rows):
        namespace = mapping_settings(route=route).primary_identity[0]
        say(
            f"the customer's id goes into namespace {namespace}: set BRIDGE_MAPPING__PRIMARY_IDENTITY if yours is another"
        )
    for path in proposal.unmapped:
        say(f"no source found for {path}")
    if proposal.unused:
        say(f"not used: {', '.join(proposal.unused)}")
    if payload is None and output is not None:
        payload = output.with_suffix(".sample.json")
    if payload is not None:
        _write(json.dumps(given[0], ensure_ascii=False, indent=2) + "\n", payload)


def _shipped_event_type() -> str | None:
    """The decode of MoEngage's event codes, from the mapping set that ships."""
    from bridge import shipped
    from bridge.mapping.table import load_mapping_set

    path = shipped.find(Path("mappings/moengage_events.csv"))
    if not path.exists():
        return None
    rows = load_mapping_set(path).rows
    return next((row.source for row in rows if row.destination == "eventType"), None)
