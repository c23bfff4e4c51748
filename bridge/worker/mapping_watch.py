"""Takes up a changed mapping set while the worker runs: only one that compiles and passes its golden cases; else the old stays."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import structlog

from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bridge.model.event import Event
    from bridge.model.ports import Transform, TransformFiles
    from bridge.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)
Signature = tuple[tuple[str, int, int, int], ...]


def _nothing_recent() -> Sequence[Event]:
    return ()


class MappingWatch:
    """Looks at the ``files`` of the mapping set every ``reload_seconds``.

    ``exchange`` is called with the new transform between two chunks (the loop runs nothing else then). A changed set is
    refused when it would refuse one of the ``recent`` events that the transform ``in_use`` takes.
    ``refused``: when (seconds since 1970) and why the last change was refused, None once one is taken.
    """

    def __init__(
        self,
        files: TransformFiles,
        in_use: Callable[[], Transform],
        exchange: Callable[[Transform], None],
        metrics: Metrics,
        *,
        recent: Callable[[], Sequence[Event]] = _nothing_recent,
    ) -> None:
        self._files = files
        self._in_use = in_use
        self._exchange = exchange
        self._metrics = metrics
        self._recent = recent
        self._sha256 = in_use().mapping or ""
        self.refused: tuple[float, str] | None = None
        self._seen = self._settled = self._signature()
        metrics.mapping_info.labels(self._sha256).set(1)
        for result in ("taken", "refused"):
            # There from the start: an increase from nothing to 1 is none to Prometheus.
            metrics.mapping_reloads.labels(result)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(self._files.reload_seconds)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - nobody else would hear of it, and no change would be taken up any more
                why = f"unexpected {type(error).__name__}"
                if self.refused is None or self.refused[1] != why:
                    self._refuse(why)

    async def look(self) -> None:
        """Take the files up if they have changed and have been left alone since the last look."""
        signature = self._signature()
        # An editor or a copy may be half done: what counts is a file that has stopped changing.
        settled, self._seen = signature == self._seen, signature
        if not settled or signature == self._settled:
            return
        self._settled = signature
        try:
            # Compiling takes some hundred milliseconds: in a thread, so that delivery goes on.
            candidate = await asyncio.to_thread(self._files.load)
            # The cases may stop the clock that now() reads, so no event may be mapped meanwhile: not in a thread.
            broken = self._files.failing()
            newly = self._files.newly_refused(self._in_use(), candidate, self._recent())
        except (BridgeError, OSError, UnicodeError) as error:
            self._refuse(str(error))
            return
        except Exception as error:  # noqa: BLE001 - whatever a file holds, it must not take the watch along
            self._refuse(f"unexpected {type(error).__name__}")
            return
        if broken:
            self._refuse(f"golden cases that fail: {', '.join(broken)}")
            return
        if newly:
            self._refuse("; ".join(newly))
            return
        self._put_in_use(candidate)

    def _put_in_use(self, transform: Transform) -> None:
        sha256, before = transform.mapping or "", self._sha256
        self._exchange(transform)
        self._sha256 = sha256
        if before != sha256:
            self._metrics.mapping_info.remove(before)
        self._metrics.mapping_info.labels(sha256).set(1)
        self._metrics.mapping_reloads.labels("taken").inc()
        self.refused = None
        _log.info("mapping_taken", detail="A changed mapping set is in use.", mapping=sha256, before=before)

    def _refuse(self, why: str) -> None:
        self._metrics.mapping_reloads.labels("refused").inc()
        self.refused = time.time(), why
        _log.error(
            "mapping_refused",
            detail="A changed mapping set was refused; the old one stays in use.",
            why=why,
            mapping=self._sha256,
        )

    def _signature(self) -> Signature:
        """Name, inode, time and size of each file that matters: a file that was replaced shows as well as one that was edited."""
        return tuple(_stamp(path) for path in self._files.files())


def _stamp(path: Path) -> tuple[str, int, int, int]:
    try:
        found: Any = path.stat()
    except OSError:  # away for a moment while it is replaced; it is looked at again
        return str(path), 0, 0, 0
    return str(path), found.st_ino, found.st_mtime_ns, found.st_size
