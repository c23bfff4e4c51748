"""``aep-bridge emulator``: Adobe's token endpoint, streaming collection API and platform APIs, or MoEngage's Data API, on this machine."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotation
from typing import TYPE_CHECKING, Literal

import orjson
import typer
import uvloop

from bridge.cli.app import app, words
from bridge.cli.emulating import first_control, told_to_stop
from bridge.cli.route_option import ROUTE, chosen

if TYPE_CHECKING:
    from bridge.emulators.adobe import Emulator, Inlet
    from bridge.settings import Settings


@app.command()
def emulator(
    *,
    kind: Literal["adobe", "moengage"] = typer.Option(
        "adobe", help="What to emulate: Adobe, for routes to AEP, or MoEngage's Data API, for routes to MoEngage."
    ),
    host: str = typer.Option("127.0.0.1", help="Address to listen on."),
    port: int | None = typer.Option(
        None,
        min=0,
        max=65535,
        help="Port to listen on, else 8099 (adobe) or 8098 (moengage); 0 lets the system choose.",
    ),
    token_ttl: float = typer.Option(86_399, "--token-ttl", min=0.1, help="Lifetime of a token in seconds."),
    latency: float = typer.Option(0.0, min=0, help="Delay of each answer of the collection endpoint, in seconds."),
    shape: Literal["current", "documented"] = typer.Option(
        "current", help="Shape of the items in a 207: today's service or Adobe's documents."
    ),
    any_id: bool = typer.Option(False, "--any", help="Accept any organisation, schema, dataset, flow and inlet."),
    payloads: int = typer.Option(1_000, min=0, help="How many payloads to keep for GET /received?payload=ID."),
    max_bytes: int = typer.Option(1_048_576, min=1_000, help="Larger requests get 413."),
    sync_validation: bool = typer.Option(
        True, help="Offer syncValidation; without it the answer is 501, as outside region VA7."
    ),
    fast: bool = typer.Option(False, help="Parse and count only: no checks, no ids. For benchmarks of other parts."),
    schema: Path | None = typer.Option(
        None,
        exists=True,
        dir_okay=False,
        help="Resolved XDM schema that the dataset of the preset connection holds its records to; without it all pass.",
    ),
    tenant: str | None = typer.Option(None, help="The sandboxes' tenant, else that of the settings."),
    sandbox: list[str] = typer.Option(
        [], help="A sandbox; may be given several times. Default: prod and those of the settings."
    ),
    warm_up: float = typer.Option(
        300, "--warm-up", min=0, help="Seconds for which a new or changed dataflow loses its records."
    ),
    batch_seconds: float = typer.Option(2, min=0.05, help="Seconds between two batches of a dataset (900 at Adobe)."),
    queue: int = typer.Option(
        50_000, min=1, help="Most records that wait for a batch; one more closes the batch immediately."
    ),
    retention: float = typer.Option(7 * 86_400, min=1, help="Seconds for which failed batches are kept."),
    ingest: bool = typer.Option(
        True, help="Ingest what was answered 200; without it there are no datasets and no failed batches."
    ),
    oddity: list[str] = typer.Option(
        [],
        metavar="NAME=VALUE",
        help="An interpretation of what Adobe does not document; GET /control lists them with their values.",
    ),
    control: str | None = typer.Option(None, metavar="JSON", help="A first POST /control message."),
    as_json: bool = typer.Option(False, "--json", help="Print where it listens as one line of JSON on stdout."),
    route: str | None = ROUTE,
) -> None:
    """Emulate Adobe (IMS, streaming connections, platform APIs), or MoEngage's Data API: check, answer, misbehave and count.

    Organisation, schema, dataset, flow, credentials and payload are those of the bridge's settings where they are set,
    so that a configured bridge only needs BRIDGE_AEP__ENDPOINT and BRIDGE_OAUTH__TOKEN_URL pointed here. With several routes it
    accepts the ids of each (--route: of one), with credentials and payload of the first.

    The platform APIs (BRIDGE_AEP__PLATFORM_URL) begin with empty sandboxes: namespaces, Schema Registry, datasets, Flow Service,
    Data Prep, failed batches. What an inlet has answered 200 for is validated once more with its dataset's schema, batch by batch:
    GET /dataset shows the result. docs/emulator.md has every address, control message and oddity.

    --kind moengage emulates the Data API: users, events, devices, bulk and Get User, with MoEngage's rules; what MoEngage cuts or
    ignores silently is in GET /received. Of the other options it accepts --host, --port, --latency, --fast, --control, --json.

    Examples:
        aep-bridge emulator

        aep-bridge emulator --port 0 --token-ttl 60 --latency 0.2 --json

        curl -d '{"fail": {"status": 503, "retry_after": 2, "seconds": 5}}' http://127.0.0.1:8099/control

        curl -d '{"item_failures": {"every": 10, "shape": "documented"}}' http://127.0.0.1:8099/control

        curl -d '{"clear_faults": true, "revoke_tokens": true}' http://127.0.0.1:8099/control

        curl 'http://127.0.0.1:8099/received?ids=1&limit=10'

        aep-bridge emulator --schema mappings/moengage_events.schema.json --batch-seconds 5 --oddity failed_records=escaped

        aep-bridge emulator --sandbox prod --sandbox dev --warm-up 10

        curl -d '{"platform": {"fail": {"status": 429, "retry_after": 2, "path": "/flows", "count": 1}}}' http://127.0.0.1:8099/control

        curl 'http://127.0.0.1:8099/dataset?ids=failed'

        aep-bridge emulator --kind moengage --control '{"limits": {"users": 600, "events": 1800}}'

        curl 'http://127.0.0.1:8098/received?customer=C-100'
    """
    if kind == "moengage":
        from bridge.cli.emulator_moengage import serve

        serve(
            host=host,
            port=8098 if port is None else port,
            latency=latency,
            fast=fast,
            control=control,
            as_json=as_json,
            route=route,
        )
        return
    from bridge.emulators.adobe import Emulator
    from bridge.emulators.adobe.ingestion.dataset_rules import Limits
    from bridge.emulators.adobe.platform.sandbox import Times
    from bridge.emulators.adobe.server import CLIENT_ID, CLIENT_SECRET
    from bridge.settings import load_deployment
    from bridge.xdm.schema.compiled_schema import compile_schema, load_schema

    routes = chosen(load_deployment(), route)
    settings = routes[0].settings
    secret = settings.oauth.client_secret
    names = [*dict.fromkeys(sandbox or ["prod", *(one.settings.aep.sandbox for one in routes)])]
    made = Emulator(
        host=host,
        port=8099 if port is None else port,
        inlet=_inlet(settings, any_id=any_id or len(routes) > 1),
        client_id=settings.oauth.client_id or CLIENT_ID,
        client_secrets=[part for part in secret.get_secret_value().split(",") if part] if secret else [CLIENT_SECRET],
        token_ttl=token_ttl,
        latency_seconds=latency,
        shape=shape,
        fast=fast,
        payloads=payloads,
        max_bytes=max_bytes,
        sync_validation=sync_validation,
        tenant=(tenant or settings.mapping.tenant).removeprefix("_"),
        sandboxes=names,
        times=Times(warm_up=warm_up),
        limits=Limits(enabled=ingest, batch_seconds=batch_seconds, queue_records=queue, retention_seconds=retention),
        schema=None
        if schema is None
        else compile_schema(load_schema(schema), tenant=tenant or settings.mapping.tenant),
    )
    _set_oddities(made, oddity)
    if control is not None:
        first_control(made, control)
    # A secret of the operator's own is never printed, not even one that opens nothing but this.
    uvloop.run(_serve(made, as_json=as_json, hide_secret=secret is not None))


def _inlet(settings: Settings, *, any_id: bool) -> Inlet:
    from bridge.emulators.adobe import Inlet
    from bridge.emulators.adobe.inlet import EXAMPLE

    aep = settings.aep
    if any_id:
        return Inlet(payload=aep.payload, authenticated=aep.auth == "oauth")
    return Inlet(
        payload=aep.payload,
        authenticated=aep.auth == "oauth",
        inlet_id=aep.endpoint.rpartition("/")[2] if aep.endpoint else EXAMPLE.inlet_id,
        org_id=aep.org_id or EXAMPLE.org_id,
        schema_id=aep.schema_id or EXAMPLE.schema_id,
        dataset_id=aep.dataset_id or EXAMPLE.dataset_id,
        flow_id=aep.flow_id or EXAMPLE.flow_id,
    )


def _set_oddities(made: Emulator, chosen_readings: list[str]) -> None:
    from pydantic import ValidationError

    values: dict[str, object] = {}
    for one in chosen_readings:
        name, sign, value = one.partition("=")
        known = sorted(type(made.platform.oddities).model_fields)
        if not sign or name not in known:
            raise typer.BadParameter(
                f"{one}: expected NAME=VALUE, NAME being one of {', '.join(known)}", param_hint="--oddity"
            )
        values[name] = int(value) if value.isdecimal() else value
    try:
        made.platform.oddities.change(values)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        raise typer.BadParameter(f"{problem['loc'][0]}: {problem['msg']}", param_hint="--oddity") from None


async def _serve(made: Emulator, *, as_json: bool, hide_secret: bool) -> None:
    stop = told_to_stop()
    async with made:
        environment = made.environment()
        if hide_secret:
            del environment["BRIDGE_OAUTH__CLIENT_SECRET"]
        if as_json:
            where = {"url": made.url} | {
                name: f"{made.url}/{name}" for name in ("control", "received", "dataset", "platform")
            }
            print(orjson.dumps(where | {"environment": environment}).decode(), flush=True)
        else:
            words.print(
                f"emulating IMS, a streaming connection and the platform APIs at [bold]{made.url}[/] (Ctrl-C stops); a bridge needs"
            )
            for name, value in environment.items():
                words.print(f"  {name}={value}", markup=False, soft_wrap=True)
            words.print(
                f"faults: POST {made.url}/control · accepted: GET {made.url}/received · ingested: GET {made.url}/dataset",
                markup=False,
            )
        await stop.wait()
    summary = made.received.summary()
    words.print(f"stopped after {summary['events']} events, {summary['duplicates']} of them again", markup=False)
