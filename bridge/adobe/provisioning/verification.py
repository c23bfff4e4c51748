"""One event sent through the real path and followed until it is in the dataset, station by station.

AEP gives no receipt after its 200: what can be seen are failed batches (some fifteen minutes), the first rows of the dataset and
batches that succeeded (up to an hour), and Profile, where the licence allows to look.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import orjson

from bridge.adobe import catalog, data_access, flow_service
from bridge.adobe.failed_records import reasons
from bridge.adobe.provisioning.observed import dataflow
from bridge.adobe.reconciliation.failed_batch import failed_count
from bridge.adobe.refusals import PlatformError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from bridge.adobe.client import PlatformClient

POLLS: Final = (2.0, 3.0, 5.0, 10.0, 20.0, 30.0)
"""Seconds between two looks; the last one again and again."""
PROFILE_SECONDS: Final = 60.0
"""How long Profile is waited for: it takes up to fifteen minutes, and nothing depends on it here."""
_FAILED: Final = frozenset({"failed", "failure"})
_CLOCK_TOLERANCE: Final = 120.0
"""How far this machine's clock may be ahead of AEP's, in seconds."""


@dataclass(frozen=True, slots=True)
class Station:
    """One line: ``ok`` is None where nothing can be told, which is no failure; ``seconds`` it took."""

    name: str
    ok: bool | None
    words: str
    seconds: float
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What became of one attempt."""

    ok: bool
    words: str
    todo: str = ""


class Probe(Protocol):
    """The test event of a route, ready to be sent."""

    @property
    def identifier(self) -> str:
        """Stands in the event and nowhere else in AEP."""
        ...

    @property
    def identity(self) -> tuple[str, str] | None:
        """Namespace and id by which Profile would know it."""
        ...

    async def send_alone(self) -> Said:
        """To the single endpoint, validated at once where AEP offers that."""
        ...

    async def send_batched(self) -> Said:
        """To the batch endpoint, as the worker does."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, and on which clocks; seconds."""

    longest: float = 3_600.0
    polls: tuple[float, ...] = POLLS
    profile: float = PROFILE_SECONDS
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


async def warm_up_left(client: PlatformClient, flow_id: str, seconds: float, now: float) -> float:
    """Seconds until a dataflow that was just made or changed takes events; 0 where that is past or not known.

    ``now`` in seconds since 1970.
    """
    found = await flow_service.read(client, "flows", flow_id) if flow_id else None
    changed = 0.0 if found is None else dataflow(found).changed_at
    return min(max(changed + seconds - now, 0.0), seconds) if changed else 0.0


async def verify(
    client: PlatformClient,
    dataset_id: str,
    probe: Probe,
    *,
    in_profile: bool,
    patience: Patience | None = None,
    waiting: Callable[[str, float], None] = lambda _words, _seconds: None,
) -> AsyncIterator[Station]:
    """Every station as it is reached; the first that fails is the last. ``waiting`` is told what is waited for, and how long."""
    patience = patience or Patience()
    sent_at = patience.wall()
    for name, attempt in (("single endpoint", probe.send_alone), ("batch endpoint", probe.send_batched)):
        began = patience.clock()
        said = await attempt()
        yield Station(name, said.ok, said.words, patience.clock() - began, said.todo)
        if not said.ok:
            return
    arrived = await _arrival(client, dataset_id, probe, sent_at, patience, waiting)
    yield arrived
    if arrived.ok and in_profile and probe.identity is not None:
        yield await _profile(client, dataset_id, probe.identity, patience, waiting)


async def _arrival(  # noqa: PLR0917 - of one caller
    client: PlatformClient,
    dataset_id: str,
    probe: Probe,
    sent_at: float,
    patience: Patience,
    waiting: Callable[[str, float], None],
) -> Station:
    """The dataset holds it, a failed batch does, or neither within the time."""
    began = patience.clock()
    since = int((sent_at - _CLOCK_TOLERANCE) * 1_000)
    read: set[str] = set()
    looks = 0
    while True:
        for identifier, batch in (await catalog.batches(client, dataset_id, created_after=since)).items():
            if identifier not in read and (str(batch.get("status")).lower() in _FAILED or failed_count(batch)):
                read.add(identifier)
                if (found := await _failure(client, identifier, probe.identifier)) is not None:
                    words = f"AEP accepted it and refused it later, in batch {identifier}: {'; '.join(found)}"
                    todo = "compare mapping set and schema: aep-bridge mapping preview shows the event as it was sent"
                    return Station("dataset", ok=False, words=words, seconds=patience.clock() - began, todo=todo)
        rows = await data_access.preview(client, dataset_id)
        if any(probe.identifier.encode() in orjson.dumps(row) for row in rows):
            return Station("dataset", ok=True, words="the event is in it", seconds=patience.clock() - began)
        waited = patience.clock() - began
        if waited >= patience.longest:
            words = f"not there after {waited:.0f} s, nor in a failed batch"
            if len(rows) >= data_access.PREVIEW_ROWS:
                words += f"; the preview shows {len(rows)} rows only, perhaps not this one"
                return Station("dataset", ok=None, words=words, seconds=waited)
            todo = (
                "events are lost in the first minutes of a new or changed dataflow: run aep-bridge setup verify again; AEP:"
                " Sources, Dataflows shows what it has received"
            )
            return Station("dataset", ok=False, words=words, seconds=waited, todo=todo)
        waiting("waiting for the event in the dataset or in a failed batch", waited)
        await patience.sleep(min(patience.polls[min(looks, len(patience.polls) - 1)], patience.longest - waited))
        looks += 1


async def _failure(client: PlatformClient, batch_id: str, identifier: str) -> list[str] | None:
    """Why the event failed, where the batch's failed records hold it."""
    for file in await data_access.failed_files(client, batch_id):
        async for line in data_access.failed_lines(client, batch_id, file):
            if identifier.encode() in line:
                return reasons(line)
    return None


async def _profile(
    client: PlatformClient,
    dataset_id: str,
    identity: tuple[str, str],
    patience: Patience,
    waiting: Callable[[str, float], None],
) -> Station:
    """Whether Profile has it; where one may not look, that is said and no failure."""
    began = patience.clock()
    looks = 0
    while True:
        try:
            found = await data_access.has_profile(client, *identity, dataset_id)
        except PlatformError as error:
            if error.status != 403:
                raise
            words = "this licence or credential may not look profiles up (403)"
            return Station("profile", ok=None, words=words, seconds=patience.clock() - began)
        waited = patience.clock() - began
        if found:
            words = f"{identity[0]} {identity[1]} has the dataset among its sources"
            return Station("profile", ok=True, words=words, seconds=waited)
        if waited >= patience.profile:
            return Station("profile", ok=None, words="not there yet; it may take fifteen minutes", seconds=waited)
        waiting("waiting for the profile", waited)
        await patience.sleep(min(patience.polls[min(looks, len(patience.polls) - 1)], patience.profile - waited))
        looks += 1
