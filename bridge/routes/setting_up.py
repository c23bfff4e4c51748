"""Setting AEP up for one route: what is there, the plan, doing it, and what is written beside the settings."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from bridge.adobe.private_destination.destination_plan import PrivateDestination
from bridge.adobe.provisioning.applying import apply_plan, apply_steps, refuse_conflicts
from bridge.adobe.provisioning.local import (
    Results,
    results,
    schema_step,
    schema_text,
    settings_step,
    settings_values,
)
from bridge.adobe.provisioning.looking import look, look_at, refused_rows
from bridge.adobe.provisioning.planning import make_plan
from bridge.adobe.provisioning.preflight import Check, Sandbox, find_sandbox, permissions
from bridge.adobe.provisioning.steps import Action, Kind, Plan
from bridge.model.errors import SettingsError
from bridge.routes.private_destinations import has_destination, wanted_destination
from bridge.routes.provisioning import desired_state, schema_file
from bridge.settings.writing import Edit, edits, is_stated, replace_file, write

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from bridge.adobe.client import PlatformClient
    from bridge.adobe.private_destination.destination_plan import FoundDestinations
    from bridge.adobe.provisioning.applying import Applied, Progress
    from bridge.adobe.provisioning.desired import Desired
    from bridge.adobe.provisioning.observed import Observed
    from bridge.settings import Route


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one look has shown: the plan ends with what is to be written on this machine."""

    route: Route
    desired: Desired
    observed: Observed
    sandbox: Sandbox
    plan: Plan
    checks: tuple[Check, ...]

    @property
    def is_refused(self) -> bool:
        """Whether a permission is missing for what is to be done."""
        return any(one.ok is False for one in self.checks)

    @property
    def results(self) -> Results:
        """The ids as far as AEP has issued them."""
        return results(self.desired, self.observed)

    @property
    def place(self) -> dict[str, Any]:
        """Where it is, for people and programs."""
        return {
            "sandbox": self.sandbox.name,
            "region": self.sandbox.region or None,
            "tenant": self.observed.tenant,
        }

    async def carry_out(
        self, client: PlatformClient, progress: Progress, sleep: Callable[[float], Awaitable[None]]
    ) -> Done:
        """Do the plan's steps in AEP, and write down what AEP has issued."""
        applied = await carry_out(self, client, progress, sleep=sleep)
        written = await write_down(self, applied, client)
        found = asdict(results(self.desired, applied.observed))
        return Done(applied.steps, applied.warms_up, found, tuple(written))


@dataclass(frozen=True, slots=True)
class DestinationOutlook:
    """The same of a route from Adobe, for which AEP is to hold a private destination; nothing is to be written on this machine."""

    route: Route
    subject: PrivateDestination
    observed: FoundDestinations
    sandbox: Sandbox
    plan: Plan
    checks: tuple[Check, ...]
    is_refused: bool = False

    @property
    def place(self) -> dict[str, Any]:
        """Where it is, for people and programs."""
        return {"sandbox": self.sandbox.name, "region": self.sandbox.region or None}

    async def carry_out(
        self, client: PlatformClient, progress: Progress, sleep: Callable[[float], Awaitable[None]]
    ) -> Done:
        """Do the plan's steps in AEP."""
        refuse_conflicts(self.plan.conflicts)
        subject = replace(self.subject, client=client)
        applied = await apply_steps(client, subject, self.observed, progress, sleep=sleep)
        found = {"destination_server_id": applied.observed.server_id, "destination_id": applied.observed.destination_id}
        return Done(applied.steps, False, found, ())


@dataclass(frozen=True, slots=True)
class Done:
    """What apply has done: how many requests, whether AEP needs its minutes, the ids by name, the files that changed."""

    steps: int
    warms_up: bool
    found: dict[str, Any]
    written: tuple[Edit, ...]


async def outlook_of(route: Route, client: PlatformClient) -> Outlook | DestinationOutlook:
    """Ask AEP for everything that the route needs, and plan. Raises ``BridgeError``."""
    return await (look_for_destination(route, client) if has_destination(route) else look_for(route, client))


async def look_for_destination(route: Route, client: PlatformClient) -> DestinationOutlook:
    """The same of a route from Adobe. Raises ``BridgeError``; a missing permission is told by the first list."""
    subject = PrivateDestination(client, wanted_destination(route))
    token = await _authorised(client)
    sandbox = await find_sandbox(client, subject.wanted.sandbox)
    where = Check("sandbox", ok=True, words=f"{sandbox.name} is active ({sandbox.kind})")
    observed = await subject.look()
    return DestinationOutlook(route, subject, observed, sandbox, subject.plan(observed), (token, where))


async def _authorised(client: PlatformClient) -> Check:
    began = time.monotonic()
    await client.authorization()
    return Check("token", ok=True, words=f"from IMS in {time.monotonic() - began:.1f} s")


async def look_for(route: Route, client: PlatformClient) -> Outlook:
    """Ask AEP for everything and plan. Raises ``BridgeError``: settings, files, token, sandbox, an API that does not answer."""
    desired = desired_state(route)
    token = await _authorised(client)
    sandbox = await find_sandbox(client, desired.sandbox)
    region = "" if sandbox.validates_at_once is not False else ", which has no syncValidation"
    where = Check(
        "sandbox",
        ok=True,
        words=f"{sandbox.name} is active ({sandbox.kind}, region {sandbox.region or 'unknown'}{region})",
    )
    observed = await look(client, desired)
    plan = make_plan(desired, observed)
    if any(step.kind is Kind.MAPPING_SET for step in plan.open):
        observed = replace(observed, refused_rows=await refused_rows(client, desired, observed))
        plan = make_plan(desired, observed)
    checks = (token, where, *await permissions(client, plan.open))
    return Outlook(route, desired, observed, sandbox, _with_local(route, desired, observed, plan), checks)


def _with_local(route: Route, desired: Desired, observed: Observed, plan: Plan) -> Plan:
    if plan.conflicts:
        return plan
    file = schema_file(route)
    local = []
    if file is not None:
        changes = any(step.kind in (Kind.FIELD_GROUP, Kind.SCHEMA, Kind.PROFILE) for step in plan.open)
        local.append(schema_step(file, _text(file), observed, will_change=changes))
    values = settings_values(results(desired, observed), file)
    current = {
        route.variable(section, key): _value(route, section, key)
        for section, key in values
        if is_stated(route, section, key)
    }
    local.append(settings_step({route.variable(*key): value for key, value in values.items()}, current))
    return Plan((*plan.steps, *local))


def _value(route: Route, section: str, key: str) -> str:
    value = getattr(getattr(route.settings, section), "schema_" if key == "schema" else key)
    return "" if value is None else str(value)


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from None


async def carry_out(
    outlook: Outlook,
    client: PlatformClient,
    progress: Progress,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Applied[Observed]:
    """Do the plan's steps in AEP. Raises ``Conflict`` and ``BridgeError``; what was done until then stays and is found again."""
    refuse_conflicts(outlook.plan.conflicts)
    return await apply_plan(client, outlook.desired, outlook.observed, progress, sleep=sleep)


async def write_down(outlook: Outlook, applied: Applied[Observed], client: PlatformClient) -> list[Edit]:
    """The resolved schema into its file, the ids into the settings; gives what changed. Raises ``SettingsError``.

    The schema is read once more: it was put together in several steps.
    """
    observed = await look_at(client, outlook.desired, applied.observed, Kind.SCHEMA)
    found = results(outlook.desired, observed)
    if not found.is_complete:
        raise SettingsError("AEP has not issued every id yet", hint="run aep-bridge setup plan again in a minute")
    file = schema_file(outlook.route)
    changed: list[Edit] = []
    if file is not None:
        there = _text(file)
        if schema_step(file, there, observed, will_change=False).action is not Action.EXISTS:
            _write_schema(file, schema_text(observed.schemas[0].document))
            changed.append(Edit(file, there or "", schema_text(observed.schemas[0].document)))
    values = {
        key: value
        for key, value in settings_values(found, file).items()
        if not is_stated(outlook.route, *key) or _value(outlook.route, *key) != value
    }
    settings_edits = edits(outlook.route, values)
    write(settings_edits)
    return [*changed, *settings_edits]


def _write_schema(file: Path, text: str) -> None:
    try:
        replace_file(file, text)
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be written: {error.strerror or error}",
            hint="AEP is set up; make the folder writable and run aep-bridge setup apply again",
        ) from None
