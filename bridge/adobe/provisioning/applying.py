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
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from bridge.adobe import authoring, catalog, data_prep, flow_service, identities, registry
from bridge.adobe.provisioning.looking import look_at, refused_rows
from bridge.adobe.provisioning.planning import make_plan
from bridge.adobe.provisioning.steps import (
    CreateAuthored,
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
    ReplaceAuthored,
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
    from bridge.adobe.provisioning.steps import Plan

State = TypeVar("State")
"""What has been seen in AEP."""

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


class Subject(Protocol[State]):
    """What is set up: how it is planned, and looked at."""

    def plan(self, observed: State) -> Plan:
        """Every step from what is there to what is wanted."""
        ...

    async def look_at(self, observed: State, kind: Kind, identifier: str = "") -> State:
        """One kind once more; by ``identifier`` where AEP has just issued it, as a list may not show it yet."""
        ...

    async def doubt(self, observed: State, step: Step) -> State | None:
        """What is seen when AEP is asked about a step before it is sent; None where it is to be sent."""
        ...


@dataclass(frozen=True, slots=True)
class Applied(Generic[State]):
    """What is there now, and whether the dataflow is new or changed, so that AEP needs its minutes."""

    observed: State
    steps: int
    warms_up: bool


async def apply_plan(
    client: PlatformClient,
    desired: Desired,
    observed: Observed,
    progress: Progress,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Applied[Observed]:
    """Make ``observed`` what is desired. Raises ``Conflict`` before a step that a person has to decide, ``BridgeError`` else."""
    return await apply_steps(client, _Stream(client, desired), observed, progress, sleep=sleep)


async def apply_steps(
    client: PlatformClient,
    subject: Subject[State],
    observed: State,
    progress: Progress,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Applied[State]:
    """The same for whatever is set up in this way."""
    return await _Applying(client, subject, progress, sleep).run(observed)


class _Stream:
    """The stream of a route to AEP."""

    def __init__(self, client: PlatformClient, desired: Desired) -> None:
        self._client, self._desired = client, desired

    def plan(self, observed: Observed) -> Plan:
        return make_plan(self._desired, observed)

    async def look_at(self, observed: Observed, kind: Kind, identifier: str = "") -> Observed:
        return await look_at(self._client, self._desired, observed, kind, identifier)

    async def doubt(self, observed: Observed, step: Step) -> Observed | None:
        if step.kind is Kind.MAPPING_SET and (refused := await refused_rows(self._client, self._desired, observed)):
            return replace(observed, refused_rows=refused)
        return None


class _Applying(Generic[State]):
    """One run of apply."""

    def __init__(
        self,
        client: PlatformClient,
        subject: Subject[State],
        progress: Progress,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._client, self._subject, self._progress, self._sleep = client, subject, progress, sleep
        self._tries: Counter[tuple[Kind, str]] = Counter()
        self._warms_up = False

    async def run(self, observed: State) -> Applied[State]:
        while True:
            plan = self._subject.plan(observed)
            refuse_conflicts(plan.conflicts)
            step = next((each for each in plan.open if each.write is not None), None)
            if step is None or step.write is None:
                return Applied(observed, self._tries.total(), self._warms_up)
            doubted = await self._subject.doubt(observed, step)
            if doubted is not None:
                observed = doubted
                continue
            observed = await self._send(step, step.write, observed)

    async def _send(self, step: Step, write: Write, observed: State) -> State:
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

    def _is_open(self, step: Step, observed: State) -> bool:
        plan = self._subject.plan(observed)
        return any((one.kind, one.name) == (step.kind, step.name) for one in plan.open)

    async def _search(self, observed: State, step: Step) -> State:
        """Look until the step is no longer open, or has stayed so for all the looks."""
        for pause in LOOKS:
            await self._sleep(pause)
            observed = await self._subject.look_at(observed, step.kind)
            if not self._is_open(step, observed):
                break
        return observed

    async def _confirmed(self, observed: State, kind: Kind, identifier: str) -> State:
        """Read what AEP has just confirmed; one that it does not find yet is asked for again."""
        for pause in LOOKS[1:]:
            try:
                return await self._subject.look_at(observed, kind, identifier)
            except PlatformError as error:
                if error.status != 404:
                    raise
            await self._sleep(pause)
        return await self._subject.look_at(observed, kind, identifier)


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
        case CreateAuthored(kind, document):
            return await authoring.create(client, kind, dict(document))
        case ReplaceAuthored(kind, identifier, document):
            await authoring.replace(client, kind, identifier, dict(document))
    return identifier
