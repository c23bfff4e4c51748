"""``aep-bridge check``: whether everything is there that a worker needs, and what to do where it is not."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

import typer

from bridge.cli.app import app
from bridge.cli.check_lines import Check, failed, kafka_checks
from bridge.cli.route_option import ROUTE, chosen
from bridge.cli.terminal import print_json
from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping, Sequence

    from bridge.model.trial import Trial
    from bridge.settings import Settings
    from bridge.telemetry.metrics import Metrics

_SHOWN = 10
_PATIENCE_SECONDS = 10.0
_USUAL_EVENT_BYTES = 10_000
"""Profile keeps events of up to 10 KB (AEP docs: profile/guardrails), so events up to there are to be expected."""


@app.command()
def check(
    send_test: bool = typer.Option(
        False,
        "--send-test",
        help="Also send one trial event (no identity, _id aep-bridge-check-…) with syncValidation; to MoEngage one test user"
        " (aep-bridge-check), which is read back.",
    ),
    as_json: bool = typer.Option(False, "--json", help="The checks as a JSON array."),
    route: str | None = ROUTE,
) -> None:
    """Check settings, mapping set, Kafka and its topics, and the credentials for AEP. Exits 1 when a check fails.

    Nothing is created, and nothing is sent except the trial event of --send-test, which stays in the dataset.
    All routes are checked, or only that of --route.

    Examples:
        aep-bridge check

        aep-bridge check --send-test

        aep-bridge check --json
    """
    _hush()
    checks = asyncio.run(_collect(route, send_test=send_test))
    if as_json:
        told = [{key: value for key, value in asdict(each).items() if key != "route" or value} for each in checks]
        print_json(told)
    else:
        _show(checks)
    if not all(each.ok for each in checks):
        raise typer.Exit(1)


def _hush() -> None:
    """The table says what log lines would say, and stdout may be read by a program."""
    import logging

    import structlog

    def drop(_logger: object, _name: str, _event: MutableMapping[str, Any]) -> NoReturn:
        raise structlog.DropEvent

    structlog.configure(processors=[drop])
    logging.disable(logging.CRITICAL)


async def _collect(name: str | None, *, send_test: bool) -> list[Check]:
    from bridge.cli.check_moengage import checks as moengage_checks
    from bridge.cli.check_state import state_checks
    from bridge.settings import load_deployment

    try:
        deployment = load_deployment()
    except BridgeError as error:
        return [failed("settings", error)]
    found: list[Check] = []
    for route in chosen(deployment, name):
        to_moengage = route.destination == "moengage"
        lines = (
            moengage_checks(route, send_test=send_test) if to_moengage else _checks(route.settings, send_test=send_test)
        )
        async for each in _one_after_another(lines, state_checks(route)):
            if route.declared:
                each = replace(each, found=route.named(each.found), todo=route.named(each.todo), route=route.name)  # noqa: PLW2901
            found.append(each)
    return found


async def _one_after_another(*checks: AsyncIterator[Check]) -> AsyncIterator[Check]:
    for some in checks:
        async for each in some:
            yield each


async def _checks(settings: Settings, *, send_test: bool) -> AsyncIterator[Check]:
    from bridge.destinations.aep.destination import check_settings
    from bridge.destinations.aep.trial import send_trial, try_token
    from bridge.telemetry.metrics import Metrics

    complete = True
    try:
        check_settings(settings)
        yield Check("settings", ok=True, found="; ".join(["complete", *_remarks(settings)]))
    except BridgeError as error:
        complete = False
        yield failed("settings", error)
    if examples := ", ".join(_examples(settings)):
        todo = "aep-bridge setup apply writes those of AEP; docs/setup.md says where the credential comes from"
        yield Check("examples", ok=False, found=f"still the example: {examples}", todo=todo)
    if settings.aep.payload == "xdm":
        yield _mapping(settings)
    async for each in kafka_checks(settings):
        yield each
    if not complete:
        return
    metrics = Metrics()
    if settings.aep.auth == "oauth":
        token = await _trial("token", try_token, settings, metrics)
        yield token
        if token.ok:
            yield await _failed_batches(settings, metrics)
    if send_test:
        yield await _trial("trial event", send_trial, settings, metrics)


async def _failed_batches(settings: Settings, metrics: Metrics) -> Check:
    """Whether workers will see what AEP refuses after its 200. Events go out without that, so it fails no check."""
    import time

    from bridge.adobe import catalog
    from bridge.adobe.client import PlatformClient
    from bridge.routes.failed_batches_task import why_off

    if why := why_off(settings):
        return Check("failed batches", ok=True, found=f"not fetched: {why}")
    an_hour_ago = int(time.time() - 3600) * 1000
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS), PlatformClient(settings, metrics) as client:
            await catalog.batches(client, settings.aep.dataset_id or "", created_after=an_hour_ago)
    except TimeoutError:
        found = f"cannot be fetched: {settings.aep.platform_url} gives no answer within {_PATIENCE_SECONDS:g} seconds"
    except BridgeError as error:
        found = f"cannot be fetched: {error}" + (f"; {error.hint}" if error.hint else "")
    else:
        found = f"readable; a worker fetches them every {settings.aep.failed_batches_seconds:g} s"
    return Check("failed batches", ok=True, found=found)


def _remarks(settings: Settings) -> Iterator[str]:
    """What is allowed and may yet surprise."""
    from bridge.destinations.aep.destination import open_envelope

    aep = settings.aep
    if aep.payload == "xdm" and aep.flow_id is None:
        # AEP takes XDM without it as long as one dataflow alone uses the connection.
        yield "set BRIDGE_AEP__FLOW_ID if several dataflows share the connection"
    room = aep.batch_bytes - open_envelope(settings).frame_bytes
    if room < _USUAL_EVENT_BYTES:
        yield (
            f"BRIDGE_AEP__BATCH_BYTES={aep.batch_bytes} leaves {max(0, room):,} bytes for an event: larger ones become dead"
            f" letters (too_large), and up to {_USUAL_EVENT_BYTES:,} are usual; 1000000 suits AEP"
        )


_NAMED_BY_ADOBE = (
    ("mapping", "tenant"),
    ("aep", "endpoint"),
    ("aep", "org_id"),
    ("aep", "schema_id"),
    ("aep", "dataset_id"),
    ("aep", "flow_id"),
    ("oauth", "client_id"),
)


def _examples(settings: Settings) -> Iterator[str]:
    """Settings that are what .env.example shows, although events are to go to Adobe itself."""
    from bridge.settings import every_setting, is_example, variable

    endpoint = settings.aep.endpoint
    # An emulator takes the examples.
    if endpoint is not None and not (urlsplit(endpoint).hostname or "").endswith(".adobedc.net"):
        return
    known = every_setting()
    for section, key in _NAMED_BY_ADOBE:
        name = variable(section, key)
        if getattr(getattr(settings, section), key) == known[name][1]:
            yield name
    if settings.oauth.client_secret is not None and is_example(settings.oauth.client_secret):
        yield variable("oauth", "client_secret")


def _mapping(settings: Settings) -> Check:
    from bridge.routes.event_builder import load_builder
    from bridge.routes.golden_cases import failing

    try:
        _, sha256 = load_builder(settings)
    except BridgeError as error:
        todo = "aep-bridge mapping lint shows each finding with its row; BRIDGE_MAPPING__PATH and BRIDGE_MAPPING__SCHEMA name the files"
        return failed("mapping", error, todo=todo)
    try:
        # The worker would refuse each change of the file for them.
        broken = failing(settings.mapping)
    except BridgeError as error:
        return failed("mapping", error, todo="BRIDGE_MAPPING__TESTS names the folder of golden cases")
    if broken:
        todo = "aep-bridge mapping test shows what each gives instead"
        return Check("mapping", ok=False, found=f"golden cases that fail: {', '.join(broken)}", todo=todo)
    said = [f"{settings.mapping.path} ({(sha256 or '')[:12]})", *_about_schema(settings)]
    return Check("mapping", ok=True, found="; ".join(said))


def _about_schema(settings: Settings) -> Iterator[str]:
    """What the schema vouches for, and what cannot be checked."""
    from bridge.routes.agreement import is_verified
    from bridge.routes.event_builder import NO_SCHEMA
    from bridge.routes.mapping_opening import schema_of

    schema, tenant = schema_of(settings.mapping), settings.mapping.tenant
    if schema is None:
        yield NO_SCHEMA
        return
    yield f"schema {settings.mapping.schema_path}"
    if is_verified(schema, tenant):
        yield f"tenant {tenant}"
    else:
        yield (
            f"tenant not verified: only a schema fetched from AEP knows {tenant} (AEP: Schemas, your schema, Copy JSON;"
            " BRIDGE_MAPPING__SCHEMA names the file)"
        )
    if schema.unenforced:
        yield f"not checked: {_listed(schema.unenforced)}"


def _listed(unenforced: Sequence[tuple[str, str]]) -> str:
    shown = ", ".join(f"{keyword} of {path or 'the root'}" for path, keyword in unenforced[:_SHOWN])
    return shown + (f" and {len(unenforced) - _SHOWN} more" if len(unenforced) > _SHOWN else "")


async def _trial(
    name: str, attempt: Callable[[Settings, Metrics], Awaitable[Trial]], settings: Settings, metrics: Metrics
) -> Check:
    try:
        trial = await attempt(settings, metrics)
    except BridgeError as error:
        return failed(name, error)
    return Check(name, ok=trial.ok, found=trial.words, todo=trial.todo)


def _show(checks: list[Check]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    several = any(each.route for each in checks)
    table.add_column()
    if several:
        table.add_column()
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for each in checks:
        mark = "[green]✓[/]" if each.ok else "[red]✗[/]"
        todo = f"\n[dim]{escape(each.todo)}[/]" if each.todo else ""
        table.add_row(mark, *([each.route] if several else []), each.name, escape(each.found) + todo)
    Console(highlight=False).print(table)
