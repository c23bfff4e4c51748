"""Doing what the plan says, one request at a time, until nothing is left to do.

After each request AEP is asked what is there now, and the plan is made again from that; nothing is remembered but what AEP holds.
A request whose answer was lost may have taken effect, so that it is repeated only after its object has been looked for, more
than once, and not been found.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from bridge.adobe import catalog, data_prep, flow_service, identities, registry
from bridge.adobe.provisioning.looking import look_at, refused_rows
from bridge.adobe.provisioning.planning import make_plan
from bridge.adobe.provisioning.steps import (
    CreateDataset,
    CreateFlowObject,
    CreateMappingSet,
    CreateNamespace,
    CreateResource,
    EnableDataflow,
    Kind,
    PatchDataflow,
    PatchDataset,
    PatchResource,
    ReplaceMappingSet,
    Step,
    Write,
)
from bridge.adobe.refusals import EffectUnknown, PlatformError
from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bridge.adobe.client import PlatformClient
    from bridge.adobe.provisioning.desired import Desired
    from bridge.adobe.provisioning.observed import Observed

LOOKS: Final = (0.0, 1.0, 2.0, 4.0)
"""Seconds before each look for an object whose creation was not confirmed: a list may show it a little later."""
MOST_TRIES: Final = 4
"""Times one and the same request is sent before somebody has to look."""


class Conflict(BridgeError):  # noqa: N818 - it is the word of the plan
    """The plan holds what a person has to resolve first; nothing is done."""


class Progress(Protocol):
    """Who is told what happens."""

    def began(self, step: Step) -> None:
        """The request of this step is sent now."""

    def unsure(self, step: Step, why: str) -> None:
        """Its answer was lost, or says that somebody else was quicker: AEP is asked what became of it."""

    def done(self, step: Step, seconds: float) -> None:
        """AEP has it."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What is there now, and whether the dataflow is new or changed, so that AEP needs its minutes."""

    observed: Observed
    steps: int
    warms_up: bool


async def apply_plan(
    client: PlatformClient,
    desired: Desired,
    observed: Observed,
    progress: Progress,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Applied:
    """Make ``observed`` what is desired. Raises ``Conflict`` before a step that a person has to decide, ``BridgeError`` else."""
    return await _Applying(client, desired, progress, sleep).run(observed)


class _Applying:
    """One run of apply."""

    def __init__(
        self,
        client: PlatformClient,
        desired: Desired,
        progress: Progress,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._client, self._desired, self._progress, self._sleep = client, desired, progress, sleep
        self._tries: Counter[tuple[Kind, str]] = Counter()
        self._warms_up = False

    async def run(self, observed: Observed) -> Applied:
        while True:
            plan = make_plan(self._desired, observed)
            refuse_conflicts(plan.conflicts)
            step = next((each for each in plan.open if each.write is not None), None)
            if step is None or step.write is None:
                return Applied(observed, self._tries.total(), self._warms_up)
            if step.kind is Kind.MAPPING_SET and (refused := await refused_rows(self._client, self._desired, observed)):
                observed = replace(observed, refused_rows=refused)
                continue
            observed = await self._take(step, step.write, observed)

    async def _take(self, step: Step, write: Write, observed: Observed) -> Observed:
        """Send the request of one step, and see what is there then."""
        self._tries[step.kind, step.name] += 1
        if self._tries[step.kind, step.name] > MOST_TRIES:
            raise BridgeError(
                f"{step.kind} {step.name}: sent {MOST_TRIES} times, and AEP still does not show it",
                hint="look at it in AEP, then run aep-bridge setup plan again",
            )
        self._progress.began(step)
        began = time.monotonic()
        try:
            identifier = await _perform(self._client, write)
        except EffectUnknown as error:
            self._progress.unsure(step, str(error))
            observed = await self._search(observed, step)
        except PlatformError as error:
            if not (_is_taken(error) or _is_stale(error)) or self._tries[step.kind, step.name] > 1:
                raise
            self._progress.unsure(step, str(error))
            observed = await self._search(observed, step)
            if self._is_open(step, observed) and not _is_stale(error):
                raise
        else:
            observed = await self._confirmed(observed, step.kind, identifier)
        if not self._is_open(step, observed):
            self._warms_up = self._warms_up or step.kind in (Kind.DATAFLOW, Kind.MAPPING_SET)
            self._progress.done(step, time.monotonic() - began)
        return observed

    def _is_open(self, step: Step, observed: Observed) -> bool:
        plan = make_plan(self._desired, observed)
        return any((one.kind, one.name) == (step.kind, step.name) for one in plan.open)

    async def _search(self, observed: Observed, step: Step) -> Observed:
        """Look until the step is no longer open, or has stayed so for all the looks."""
        for pause in LOOKS:
            await self._sleep(pause)
            observed = await look_at(self._client, self._desired, observed, step.kind)
            if not self._is_open(step, observed):
                break
        return observed

    async def _confirmed(self, observed: Observed, kind: Kind, identifier: str) -> Observed:
        """Read what AEP has just confirmed; one that it does not find yet is asked for again."""
        for pause in LOOKS[1:]:
            try:
                return await look_at(self._client, self._desired, observed, kind, identifier)
            except PlatformError as error:
                if error.status != 404:
                    raise
            await self._sleep(pause)
        return await look_at(self._client, self._desired, observed, kind, identifier)


def refuse_conflicts(conflicts: tuple[Step, ...]) -> None:
    """Raise ``Conflict`` that names each with what to do."""
    if conflicts:
        raise Conflict("\n".join(f"{step.kind} {step.name}: {_told(step)}" for step in conflicts))


def _told(step: Step) -> str:
    changes = "; ".join(f"{one.path}: {one.old or 'nothing'} in AEP, {one.new} wanted" for one in step.changes)
    return f"{changes}; {step.todo}" if changes else step.todo


def _is_taken(error: PlatformError) -> bool:
    """409 for a namespace that exists, XDM-1521 for a title that is taken: perhaps by the request whose answer was lost."""
    return error.status == 409 or error.code.startswith("XDM-1521")


def _is_stale(error: PlatformError) -> bool:
    """412 and FLOW-1404 for a version that has passed."""
    return error.status == 412 or error.code.startswith("FLOW-1404")


async def _perform(client: PlatformClient, write: Write) -> str:
    """Send the request; gives the id that AEP issued or that was changed, "" where the kind has none of its own."""
    match write:
        case CreateNamespace(document):
            await identities.create_namespace(client, dict(document))
            return ""
        case CreateResource(kind, document):
            return str((await registry.create(client, kind, dict(document))).get("$id") or "")
        case PatchResource(kind, identifier, operations):
            await registry.patch(client, kind, identifier, [dict(one) for one in operations])
        case CreateDataset(document):
            return await catalog.create_dataset(client, dict(document))
        case PatchDataset(identifier, operations, tag):
            await catalog.patch_dataset(client, identifier, [dict(one) for one in operations], tag=tag)
        case CreateFlowObject(kind, document):
            return await flow_service.create(client, kind, dict(document))
        case PatchDataflow(identifier, operations, etag):
            await flow_service.patch(client, "flows", identifier, [dict(one) for one in operations], etag=etag)
        case EnableDataflow(identifier):
            await flow_service.enable(client, identifier)
        case CreateMappingSet(document):
            return await data_prep.create(client, dict(document))
        case ReplaceMappingSet(identifier, document):
            await data_prep.replace(client, identifier, dict(document))
    return identifier
