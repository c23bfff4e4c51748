"""``aep-bridge mapping init``: a first mapping set from a schema and sample events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bridge.cli.mapping.commands import JSON, PRIMARY_IDENTITY, TENANT, mapping
from bridge.cli.mapping.files import refuse_overwriting, write
from bridge.cli.route_option import MAPPED_ROUTE, settings_for
from bridge.cli.terminal import say
from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from bridge.mapping.sets.mapping_set import MappingSet
    from bridge.mapping.workshop.event_verdicts import Verdicts
    from bridge.mapping.workshop.proposal.rows_proposed import Proposal
    from bridge.mapping.workshop.samples import Samples
    from bridge.settings import MappingSettings
    from bridge.xdm.schema.compiled_schema import CompiledSchema


_LISTED = 60
"""Fields without a source that are named; of more only how many."""


@mapping.command()
def init(  # noqa: PLR0917 - typer reads the signature
    schema: Path | None = typer.Option(
        None, "--schema", help="The customer's XDM schema (JSON, resolved form); else that of the settings."
    ),
    events: list[str] = typer.Option([], "--events", help="Real sample events (JSON, JSON lines, -)."),
    table: str | None = typer.Option(
        None,
        "--table",
        metavar="NAME",
        help="For a route from a warehouse: propose rows for the columns of this table; - for the table or query of its settings.",
    ),
    output: Path | None = typer.Option(None, "--output", "-o", help="Mapping CSV to write; else stdout."),
    payload: Path | None = typer.Option(
        None, "--payload", help="Where to write the sample payload that MoEngage asks for; default: beside --output."
    ),
    tenant: str | None = TENANT,
    primary_identity: str | None = PRIMARY_IDENTITY,
    all_codes: bool = typer.Option(
        False, "--all-codes", help="Decode every event code that MoEngage documents, not only those of the samples."
    ),
    force: bool = typer.Option(False, "--force", help="Overwrite existing files."),
    merge: bool = typer.Option(
        False,
        "--merge",
        help="Keep every row of the existing file, and append rows for destinations that it lacks.",
    ),
    as_json: bool = JSON,
    route: str | None = MAPPED_ROUTE,
) -> None:
    """Write a first mapping set from a schema and sample events; what found no match is listed on stderr, with candidates.

    A row is proposed only when the schema accepts its value for every sample. The last line is lint's summary.
    For a route to MoEngage, which has no schema, it begins with the set that ships for the route's source.

    Examples:
        aep-bridge mapping init --schema schema.json --events events.jsonl --output mapping.csv

        aep-bridge mapping init --schema schema.json --events events.jsonl --output mapping.csv --merge

        aep-bridge mapping init --table crm.users --route crm --output users.csv

        aep-bridge mapping init --route crm --events profiles.jsonl --output mapping.csv
    """
    if table is not None:
        from bridge.cli.mapping.init_table import init_table

        init_table(route, table, output, force=force, as_json=as_json)
        return
    if not events:
        raise typer.BadParameter("sample events are needed, or --table", param_hint="--events")
    from bridge.cli.mapping import inputs as given
    from bridge.cli.mapping import set_parts, show
    from bridge.mapping.sets.convert import to_csv
    from bridge.mapping.workshop.proposal.rows_proposed import propose
    from bridge.mapping.workshop.proposal.settling import settle
    from bridge.mapping.workshop.samples import Samples
    from bridge.xdm.rules import RULES

    for_moengage = schema is None and given.goes_to_moengage()
    if payload is None and output is not None and not for_moengage:
        payload = output.with_suffix(".sample.json")
    if output is not None and not merge:
        refuse_overwriting(
            output, force=force, way_out="--merge keeps its rows and adds new ones, --force overwrites it"
        )
    compiled = None if for_moengage else _schema(schema or set_parts.mapping_settings().schema_path)
    # Read once: stdin has nothing the second time.
    samples = Samples(read.event for source in events for read in given.events(source) if read.refusal is None)
    if not samples.events:
        raise BridgeError("there is no event among the samples")
    if compiled is None:
        proposal, settings = _for_moengage(samples), set_parts.mapping_settings()
        verdicts = _verdicts(proposal.mapping_set, settings, None, samples)
    else:
        proposal = propose(compiled, samples, RULES, event_type=_shipped_event_type(), all_codes=all_codes)
        settings = set_parts.mapping_settings(tenant=tenant or proposal.tenant, primary_identity=primary_identity)
        proposal, verdicts = settle(proposal, samples, lambda made: _verdicts(made, settings, compiled, samples))
    mapping_set = proposal.mapping_set
    if merge and output is not None and output.exists():
        mapping_set, proposal = _merged(output, proposal, settings)
        verdicts = _verdicts(mapping_set, settings, compiled, samples)
    if as_json:
        show.data(_as_json(proposal, verdicts))
    if output is not None or not as_json:
        write(to_csv(mapping_set), output)
    if not as_json:
        _tell(proposal, settings, given_tenant=tenant)
    if payload is not None:
        if payload.exists() and not force:
            say(f"{payload} is kept as it is")
        else:
            from bridge.mapping.workshop.sample_payload import sample_payload

            write(json.dumps(sample_payload(samples.given[0]), ensure_ascii=False, indent=2) + "\n", payload)
    say(f"lint with these events: {verdicts.summary}")


def _schema(path: Path | None) -> CompiledSchema:
    """The schema, when its class is one for events."""
    if path is None:
        raise BridgeError(
            "there is no schema to start from", hint="--schema FILE or BRIDGE_MAPPING__SCHEMA names its JSON"
        )
    from bridge import shipped
    from bridge.xdm.schema.compiled_schema import compile_schema, load_schema
    from bridge.xdm.schema.event_class import WANTED, wrong_class

    document = load_schema(shipped.find(path))
    wrong = wrong_class(document)
    if wrong is not None:
        raise BridgeError(f"{path}: {wrong}", hint=WANTED)
    return compile_schema(document, tenant="")


def _for_moengage(samples: Samples) -> Proposal:
    """Rows for elements, begun with the set that ships for the source."""
    from bridge import shipped
    from bridge.cli.mapping import inputs as given
    from bridge.mapping.sets.table import load_mapping_set
    from bridge.routes.moengage_proposal import propose_for_moengage
    from bridge.settings.inheritance import shipped_set

    source, rows = given.source_name(), settings_for("warehouse").warehouse.kind
    path = shipped_set(source, "moengage", rows)
    base = None if path is None else load_mapping_set(shipped.find(path))
    return propose_for_moengage(samples, given.kind_of_events(), base)


def _verdicts(
    mapping_set: MappingSet, settings: MappingSettings, schema: CompiledSchema | None, samples: Samples
) -> Verdicts:
    """What would become of the samples under the rows; without a schema they make elements."""
    from bridge.cli.mapping import set_parts
    from bridge.mapping.compiler.mapping_compiler import compile_mapping
    from bridge.routes.mapping_opening import row_policy
    from bridge.routes.moengage_events import MoEngageEvents
    from bridge.xdm.experience_event import ExperienceEvents

    compiled = compile_mapping(
        mapping_set,
        tenant=settings.tenant,
        primary_identity=settings.primary_identity[0],
        placeholders=settings.placeholders,
        strict=settings.strict,
        schema=schema,
    )
    if schema is None:
        elements = MoEngageEvents(compiled, settings_for("moengage").moengage)
        return set_parts.judge_of(elements, settings).verdicts(samples.given)
    held = schema.holding(row_policy(settings, compiled.rows))
    return set_parts.judge_of(ExperienceEvents(compiled, settings, held), settings).verdicts(samples.given)


def _merged(output: Path, proposal: Proposal, settings: MappingSettings) -> tuple[MappingSet, Proposal]:
    """The rows of the file with what they lack, and what is left to say of the proposal."""
    from bridge.mapping.sets.merging import merged
    from bridge.mapping.sets.table import load_mapping_set
    from bridge.mapping.syntax.cells import fill
    from bridge.mapping.workshop.proposal.rows_proposed import without_written

    here = load_mapping_set(output)
    known = {"tenant": settings.tenant, "primary_identity": settings.primary_identity[0], **settings.placeholders}
    whole = merged(here, proposal.mapping_set, known)
    say(f"{output}: {len(here.rows)} rows kept, {len(whole.rows) - len(here.rows)} appended")
    written = [fill(row.destination, known)[0] for row in here.rows]
    return whole, without_written(proposal, written, [row.source for row in here.rows])


def _tell(proposal: Proposal, settings: MappingSettings, *, given_tenant: str | None) -> None:
    """Say what a person has to decide: names to set, questions, what is open, with candidates, and what is not used."""
    from bridge.cli.mapping import set_parts

    configured = set_parts.mapping_settings()
    if proposal.tenant is not None and proposal.tenant != (given_tenant or configured.tenant):
        say(f"the schema's tenant is {proposal.tenant}: set BRIDGE_MAPPING__TENANT, or give --tenant {proposal.tenant}")
    if any("{primary_identity}" in row.destination for row in proposal.mapping_set.rows):
        say(
            f"the customer's id goes into namespace {settings.primary_identity[0]}:"
            " set BRIDGE_MAPPING__PRIMARY_IDENTITY if yours is another"
        )
    for question in proposal.questions.values():
        say(question)
    for path, reason in proposal.left_open.items():
        near = _near(proposal, path)
        say(f"left open {path}: {reason}" + (f"; perhaps {near}" if near else ""))
    # Those with candidates first: of a schema with thousands of fields nobody reads the rest.
    unmapped = [path for path in proposal.unmapped if path not in proposal.left_open]
    unmapped.sort(key=lambda path: path not in proposal.candidates)
    few = max(_LISTED, sum(path in proposal.candidates for path in unmapped))
    for path in unmapped[:few]:
        near = _near(proposal, path)
        say(f"no source found for {path}" + (f"; perhaps {near}" if near else ""))
    if len(unmapped) > few:
        say(f"no source found for {len(unmapped) - few} more fields; --json lists them")
    if proposal.unused:
        say(f"not used: {', '.join(proposal.unused)}")


def _near(proposal: Proposal, path: str) -> str:
    """The candidates for a destination, each with an example and its score."""
    return ", ".join(f"{one.source} ({_short(one.example)}, {one.score})" for one in proposal.candidates.get(path, ()))


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 30 else text[:29] + "…"


def _as_json(proposal: Proposal, verdicts: Verdicts) -> dict[str, Any]:
    return {
        "tenant": proposal.tenant,
        "rows": [
            {"source_type": row.source_type, "source": row.source, "destination": row.destination}
            for row in proposal.mapping_set.rows
        ],
        "questions": proposal.questions,
        "left_open": proposal.left_open,
        "unmapped": {
            path: [{"source": one.source, "score": one.score} for one in proposal.candidates.get(path, ())]
            for path in proposal.unmapped
        },
        "unused": list(proposal.unused),
        "events": verdicts.events,
        "refused": verdicts.refused,
    }


def _shipped_event_type() -> str | None:
    """The decode of MoEngage's event codes, from the mapping set that ships."""
    from bridge import shipped
    from bridge.mapping.sets.table import load_mapping_set

    path = shipped.find(Path("mappings/moengage_events.csv"))
    if not path.exists():
        return None
    rows = load_mapping_set(path).rows
    return next((row.source for row in rows if row.destination == "eventType"), None)
