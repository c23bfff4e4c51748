"""The leader's task towards AEP: what it refused after its 200 is fetched again and again, and stored as dead letters.

After each part that is stored the state topic learns how far it is, so that a new leader goes on there; what was stored and not
noted any more is told from the dead letters themselves.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import structlog

from bridge.adobe import catalog
from bridge.adobe.client import PlatformClient, missing_settings
from bridge.adobe.pages import Unreadable
from bridge.adobe.reconciliation.failed_batch import batches_in
from bridge.adobe.refusals import PlatformError, Unreachable
from bridge.model.errors import BridgeError, KafkaError
from bridge.model.verdicts import Stage
from bridge.routes.failed_batches_fetch import FailedBatchFetch, tell_lost_state
from bridge.routes.failed_batches_progress import Progress
from bridge.settings import every_setting, variable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.adobe.reconciliation.failed_batch import FailedBatch
    from bridge.model.ports import Decoder, Lead
    from bridge.settings import Route, Settings
    from bridge.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)
NAME: Final = "failed_batches"
_OFTEN: Final = variable("aep", "failed_batches_seconds")
_ADOBE: Final = (".adobe.io", ".adobedc.net")
_FIRST_SECONDS: Final = 60.0
"""After a start of which nothing is remembered: an interval, or this."""
_HOUR: Final = 3_600_000
_LOOK_BACK: Final = 24 * _HOUR
"""Batches created this long ago are still looked at: one may show late, or its records may."""
_OPEN_AT_MOST: Final = 7 * 24 * _HOUR
"""A batch that cannot be read to its end is given up after this long."""
_WAIT_FOR_RECORDS: Final = _HOUR
"""How long a batch's records may show after the batch, before those that are missing are told as missing."""
_CLOCKS_DIFFER: Final = 600_000
_MOST_CODES: Final = 100
"""Labels of a metric; a code beyond is counted as ``other``."""


class FailedBatchesTask:
    """``LeaderTask``; see the module. ``wall``: seconds since 1970."""

    name = NAME

    def __init__(
        self, route: Route, decoder: Decoder, metrics: Metrics, *, wall: Callable[[], float] = time.time
    ) -> None:
        aep = route.settings.aep
        self.off = why_off(route.settings)
        self.retry_seconds = min(aep.failed_batches_seconds or _FIRST_SECONDS, 60.0)
        self._route = route
        self._decoder = decoder
        self._metrics = metrics
        self._wall = wall
        self._every = aep.failed_batches_seconds
        self._dataset = aep.dataset_id or ""
        self._client: PlatformClient | None = None
        self._lead: Lead | None = None
        self._progress = Progress()
        self._codes: set[str] = set()

    def due(self, succeeded: float | None, now: float) -> float:
        """Regularly; a while after a start of which nothing is remembered."""
        return now + min(self._every, _FIRST_SECONDS) if succeeded is None else succeeded + self._every

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def run(self, lead: Lead) -> None:
        """FailedBatchFetch what there is now. Raises ``BridgeError`` when some of it could not be had, after the rest is stored."""
        if self._client is None:
            self._client = PlatformClient(self._route.settings, self._metrics)
        key = f"failed-batches/{self._route.settings.kafka.group}/{self._dataset}".encode()
        if lead is not self._lead:
            recalled = await self._recalled(lead, key)
            self._progress = recalled or Progress()
            # What is not known must not be written over: it may tell of batches that are older than those looked at without it.
            self._lead = None if recalled is None else lead
        now = int(self._wall() * 1000)
        try:
            found = await catalog.batches(
                self._client, self._dataset, created_after=self._progress.looks_from(now, _LOOK_BACK) - 1
            )
        except PlatformError as error:
            raise _with_way_out(error) from None
        listed = batches_in(found, until=now + _LOOK_BACK)
        batches = [one for one in listed.to_read if one.identifier not in self._progress.done]
        fetch = FailedBatchFetch(
            self._route, self._decoder, self._client, lead, self._progress, None if self._lead is None else key
        )
        try:
            await self._fetch(fetch, batches, now)
        finally:
            self._tell(fetch)
        pending = [*listed.under_way_since, *(one.created for one in fetch.left)]
        if self._progress.move(now, _LOOK_BACK, _OPEN_AT_MOST, pending):
            await fetch.note()
        if fetch.problem is not None:
            raise fetch.problem

    async def _recalled(self, lead: Lead, key: bytes) -> Progress | None:
        """What the leader before has noted; None without the state: the dead letters alone tell then, of the last day."""
        try:
            return Progress.from_bytes((await lead.state.read()).get(key))
        except KafkaError as error:
            tell_lost_state(error)
            return None
        except ValueError as error:
            self._metrics.leader_notes_lost.labels(NAME).inc()
            _log.error(
                "failed_batches_progress_lost",
                detail="What is stored of how far failed batches were fetched is not of this version; the last day's are read"
                " anew, and nothing is stored twice. aep-bridge failed-batches fetch --since reads older ones.",
                why=str(error),
            )
            return Progress()

    async def _fetch(self, fetch: FailedBatchFetch, batches: Sequence[FailedBatch], now: int) -> None:
        if not batches:
            return
        # No letter of a batch is older than its end, but clocks differ.
        since = min(max(one.created, one.finished) for one in batches) - _CLOCKS_DIFFER
        await fetch.begin([one.identifier for one in batches], since)
        for number, batch in enumerate(batches):
            try:
                read = await fetch.batch(batch)
            except (Unreachable, Unreadable, PlatformError) as error:
                # One batch must not stand before all the others; without rights or connection it is every batch.
                fetch.left.append(batch)
                fetch.problem = BridgeError(f"batch {batch.identifier}: {error}", hint=error.hint)
                if isinstance(error, Unreachable) or (isinstance(error, PlatformError) and error.status in (401, 403)):
                    fetch.left += batches[number + 1 :]
                    break
            else:
                self._close(fetch, batch, read, now)
        await fetch.flush()

    def _close(self, fetch: FailedBatchFetch, batch: FailedBatch, read: int, now: int) -> None:
        """All that the batch's files hold has been read."""
        missing = max(0, (batch.failed or 0) - read)
        if missing and now - batch.finished < _WAIT_FOR_RECORDS:
            fetch.left.append(batch)
            return
        if missing:
            self._metrics.failed_records_missing.inc(missing)
            _log.error(
                "failed_records_missing",
                detail="AEP counts records of the batch as failed, but does not provide them; no dead letter holds them.",
                batch=batch.identifier,
                counted=batch.failed,
                read=read,
            )
        fetch.finished.append(batch)

    def _tell(self, fetch: FailedBatchFetch) -> None:
        for code, count in fetch.stored.items():
            label = code if code in self._codes or len(self._codes) < _MOST_CODES else "other"
            self._codes.add(label)
            self._metrics.dead_letters.labels(Stage.INGEST, label).inc(count)
        if fetch.cut:
            self._metrics.truncated_dead_letters.labels(Stage.INGEST).inc(fetch.cut)
        if fetch.stored:
            _log.warning(
                "refused_later",
                detail="AEP refused events after it had accepted them; they are dead letters of the stage ingest.",
                stored=fetch.stored.total(),
                with_event=fetch.matched,
                codes=dict(fetch.stored.most_common(5)),
            )


def why_off(settings: Settings) -> str:
    """Why failed batches are not fetched, in words for the operator; empty where they are."""
    aep, known = settings.aep, every_setting()
    platform, endpoint = urlsplit(aep.platform_url).hostname or "", urlsplit(aep.endpoint or "").hostname or ""
    ours = platform.endswith(_ADOBE)
    if not aep.failed_batches_seconds:
        return f"{_OFTEN} is 0"
    missing = missing_settings(settings)
    dataset = variable("aep", "dataset_id")
    if not aep.dataset_id or (ours and aep.dataset_id == known[dataset][1]):
        missing = [dataset, *missing]
    if missing:
        return f"not set: {', '.join(missing)}; what AEP refuses after its 200 is not seen here"
    if ours and not endpoint.endswith(_ADOBE) and "platform_url" not in aep.model_fields_set:
        # Credentials of a stand-in are nobody else's.
        return f"{variable('aep', 'endpoint')} is not Adobe's, and {variable('aep', 'platform_url')} is not set"
    return ""


def _with_way_out(error: PlatformError) -> BridgeError:
    """What is refused for want of rights can also be left alone."""
    if error.status not in (401, 403):
        return error
    return BridgeError(str(error), hint=f"{error.hint}; {_OFTEN}=0 turns fetching failed batches off")
