"""What AEP must have of each event, worked out by a process of its own while the run goes on: at the end little is left to do."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Self

from counting import expected

from bridge.routes.event_builder import load_builder
from bridge.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

_SLICE = 5_000
_SIZE = 8
_NOTHING = bytes(_SIZE)
"""Stands for an event that AEP must not have."""


class Foresight:
    """Digests of the numbers from 0 up, in slices of some thousand numbers.

    Its one process has the lowest priority, and ends with this one, however this one ends.
    """

    def __init__(self) -> None:
        # A fresh interpreter: this one has threads, and a fork of it would have their locks without them.
        self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=_settle_in)
        self._slices: list[Future[bytes]] = []
        self._pid = self._pool.submit(os.getpid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    @property
    def pid(self) -> int | None:
        """Of its process, once that has begun."""
        return self._pid.result() if self._pid.done() else None

    def reach(self, sent: int) -> None:
        """Numbers below ``sent`` will be asked for: work out the whole slices of them."""
        while (first := len(self._slices) * _SLICE) + _SLICE <= sent:
            self._slices.append(self._pool.submit(digests, first, first + _SLICE))

    def of(self, sent: int) -> Iterator[bytes | None]:
        """The digest of each number below ``sent``; None where AEP must have nothing."""
        self.reach(sent + _SLICE - 1)
        left = sent
        for slice_ in self._slices:
            found = slice_.result()
            for start in range(0, min(left * _SIZE, len(found)), _SIZE):
                digest = found[start : start + _SIZE]
                yield None if digest == _NOTHING else digest
            left -= _SLICE


def digests(first: int, end: int) -> bytes:
    """Eight bytes for each number from ``first`` to below ``end``."""
    builder, _ = load_builder(Settings())
    assert builder is not None
    return b"".join(digest or _NOTHING for digest in expected(range(first, end), builder))


def _settle_in() -> None:
    os.nice(19)
    threading.Thread(target=_end_with_the_run, name="parent", daemon=True).start()


def _end_with_the_run() -> None:
    # A pool's process waits for work on a pipe that it holds open itself, so it never notices that nobody is left to send any.
    run = multiprocessing.parent_process()
    assert run is not None
    run.join()
    os._exit(1)
