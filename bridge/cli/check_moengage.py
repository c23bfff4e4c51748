"""``aep-bridge check`` of a route to MoEngage: its settings, its mapping set, the key, and on request a user written and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.cli.check_lines import Check, failed, kafka_checks
from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from bridge.settings import Route, Settings


async def checks(route: Route, *, send_test: bool) -> AsyncIterator[Check]:
    """A line each; the test user is written only where ``send_test`` asks for it."""
    from bridge.destinations.moengage.destination import check_settings
    from bridge.destinations.moengage.trial import send_trial, try_key

    settings, complete = route.settings, True
    try:
        check_settings(settings.moengage)
        yield Check("settings", ok=True, found="; ".join(["complete", *_remarks(settings)]))
    except BridgeError as error:
        complete = False
        yield failed("settings", error)
    async for each in _source(route):
        yield each
    yield _mapping(route)
    async for each in kafka_checks(settings):
        yield each
    if not complete:
        return
    trial = await try_key(settings.moengage)
    yield Check("key", ok=trial.ok, found=trial.words, todo=trial.todo)
    if send_test:
        trial = await send_trial(settings.moengage)
        yield Check("test user", ok=trial.ok, found=trial.words, todo=trial.todo)


def _remarks(settings: Settings) -> Iterator[str]:
    """What is allowed and may yet surprise."""
    moengage = settings.moengage
    if not moengage.users_per_minute or not moengage.events_per_minute:
        yield "without a budget per minute MoEngage answers 429 when it gets too much"


async def _source(route: Route) -> AsyncIterator[Check]:
    """Whose events are taken for whose, where the source's settings say so; whether it answers, where it is asked for its rows."""
    import asyncio

    from bridge.routes.kinds import source_of

    kind = source_of(route)
    if kind.said_of is not None:
        yield Check("source", ok=True, found=kind.said_of(route.settings))
    if kind.trial is not None:
        trial = await asyncio.to_thread(kind.trial, route.settings)
        yield Check(kind.name, ok=trial.ok, found=trial.words, todo=trial.todo)


def _mapping(route: Route) -> Check:
    from dataclasses import replace

    from bridge.destinations.moengage.rules import rules_of
    from bridge.mapping.lint.rules import complained
    from bridge.routes.kinds import open_decoder, source_of
    from bridge.routes.moengage_events import open_moengage_events
    from bridge.routes.moengage_files import failing
    from bridge.routes.moengage_parts import check_mapping

    settings = route.settings
    todo = "aep-bridge mapping lint shows each finding with its row; BRIDGE_MAPPING__PATH names the file"
    try:
        check_mapping(settings.mapping)
        events = open_moengage_events(settings.mapping, settings.moengage)
        broken = failing(settings.mapping, settings.moengage, open_decoder(route))
    except BridgeError as error:
        return failed("mapping", error, todo=todo)
    if (complaints := source_of(route).complaints) is not None:
        rules = replace(rules_of(settings.moengage), source_complaints=complaints)
        wrong = [str(each) for each in complained(events.mapping.rows, rules) if each.severity == "error"]
        if wrong:
            return Check("mapping", ok=False, found="; ".join(wrong), todo=todo)
    if broken:
        todo = "aep-bridge mapping test shows what each gives instead"
        return Check("mapping", ok=False, found=f"golden cases that fail: {', '.join(broken)}", todo=todo)
    return Check("mapping", ok=True, found=f"{settings.mapping.path} ({events.mapping.sha256[:12]})")
