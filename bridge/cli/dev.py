"""``aep-bridge dev``: emulator, broker, receiver and worker kept running on one's own mapping set, schema and events."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bridge.cli.app import app, words
from bridge.cli.route_option import MAPPED_ROUTE

if TYPE_CHECKING:
    from bridge.model.dead_letter import DeadLetter
    from bridge.settings import MappingSettings


@app.command()
def dev(  # noqa: PLR0917 - typer reads the signature
    mapping: Path | None = typer.Option(None, "--mapping", "-m", help="Mapping set; else that of the settings."),
    schema: Path | None = typer.Option(None, "--schema", help="XDM schema (JSON); else that of the settings."),
    events: list[str] = typer.Option(
        [], "--events", help="Events to post at the start and after each change: a file of JSON or JSON lines."
    ),
    tenant: str | None = typer.Option(None, "--tenant", help="Tenant namespace for {tenant}; else from the settings."),
    primary_identity: str | None = typer.Option(
        None, "--primary-identity", help="Namespaces by priority, the customer id's first; else from the settings."
    ),
    port: int = typer.Option(0, min=0, max=65535, help="Port of the receiver; 0 lets the system choose."),
    _route: str | None = MAPPED_ROUTE,
) -> None:
    """Run your mapping set on this machine, from the HTTP post to (an emulator of) AEP, without Adobe and without Kafka.

    Events are posted as MoEngage posts them; each ExperienceEvent that AEP accepts is a line of JSON on stdout, each dead letter is
    reported with its reason. Change the mapping set, the schema or the events: errors are reported immediately, and the events are
    posted again. Ctrl-C ends all of it.

    Examples:
        aep-bridge dev --mapping mine.csv --schema schema.json --events events.jsonl --tenant _yourorgname

        aep-bridge dev --mapping mine.csv --port 8080
    """
    from bridge.cli.mapping import set_parts

    settings = set_parts.mapping_settings(path=mapping, tenant=tenant, schema=schema, primary_identity=primary_identity)
    # What cannot be compiled is told before anything is started.
    schema_of_events: Any = set_parts.builder(settings).schema
    schema_id = None if schema_of_events is None or schema_of_events.is_example else schema_of_events.identifier
    asyncio.run(_dev(settings, events, port, schema_id))


async def _dev(settings: MappingSettings, events: list[str], port: int, schema_id: str | None) -> None:
    from bridge import shipped
    from bridge.cli.mapping.inputs import documents
    from bridge.demo.stage import open_stage
    from bridge.demo.workbench import Workbench
    from bridge.runtime.signals import stop_event

    stop = stop_event()

    def bodies() -> list[bytes]:
        import orjson

        return [orjson.dumps(document) for source in events for document in documents(source)]

    say = _say
    rules = [settings.path, *([settings.schema_path] if settings.schema_path else [])]
    sources = [shipped.find(Path(source)) for source in events]
    async with open_stage(lambda line: say(f"✓ {line}"), _environment(settings, port), schema_id=schema_id) as stage:
        _examine(settings, events)
        say(f"✓ watching {', '.join(map(str, [*rules, *sources]))}")
        say("post an event yourself (Ctrl-C ends all of it):")
        say(f"  curl -u moengage:demo -H 'Content-Type: application/json' --data @event.json {stage.scene.streams}")
        say(f"figures: aep-bridge status --url {stage.worker.url}")
        workbench = Workbench(
            stage,
            rules,
            sources,
            bodies=bodies,
            examine=lambda: _examine(settings, events),
            accepted=_accepted,
            refused=_refused,
            say=say,
        )
        await workbench.run(stop)
    say("stopped")


def _environment(settings: MappingSettings, port: int) -> dict[str, str]:
    """What the parts need to run with these settings, whatever folder they are started in."""
    import orjson

    from bridge.demo.workbench import RELOAD_SECONDS

    found = {
        "BRIDGE_MAPPING__PATH": str(settings.path.resolve()),
        "BRIDGE_MAPPING__TENANT": settings.tenant,
        "BRIDGE_MAPPING__PRIMARY_IDENTITY": ",".join(settings.primary_identity),
        "BRIDGE_MAPPING__RELOAD_SECONDS": str(RELOAD_SECONDS),
    }
    if settings.placeholders:
        found["BRIDGE_MAPPING__PLACEHOLDERS"] = orjson.dumps(settings.placeholders).decode()
    schema = settings.schema_path
    found["BRIDGE_MAPPING__SCHEMA"] = str(schema.resolve()) if schema is not None else "none"
    found["BRIDGE_MAPPING__ON_INVALID"] = settings.on_invalid
    if port:
        found["BRIDGE_RECEIVER__PORT"] = str(port)
    return found


def _examine(settings: MappingSettings, events: list[str]) -> None:
    """Say what lint says of the files as they are now."""
    from bridge.cli.mapping.inputs import events as read_events
    from bridge.cli.mapping.lint import linted
    from bridge.model.errors import BridgeError

    try:
        findings, verdicts = linted(settings, [one for source in events for one in read_events(source)])
    except BridgeError as error:
        _say(f"error: {error}")
        return
    for finding in findings:
        _say(f"{finding.severity}: {finding}")
    if verdicts is not None:
        _say(f"lint: {verdicts.summary}")


def _accepted(event: dict[str, Any]) -> None:
    from bridge.cli.mapping.show import data

    data(event.get("xdmEntity", event), indent=None)


def _refused(letter: DeadLetter) -> None:
    _say(f"✗ dead letter ({letter.stage}, {letter.code}): {letter.reason}")


def _say(text: str) -> None:
    words.print(text, markup=False, soft_wrap=True)
