"""MoEngage in a thread, that goes on sending a batch until it is confirmed."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Self

import httpx

from bridge.testing.numbered_events import batch, event
from bridge.testing.processes import eventually

if TYPE_CHECKING:
    from bridge.testing.rig import Rig


class InsistentSender:
    """MoEngage: posts numbered events in batches of 100 from a thread; a batch that is not answered 200 is sent again.

    Unlike MoEngage it does not give up after three times, so that a test can go on until all is confirmed.
    """

    def __init__(self, rig: Rig, *, pause: float = 0.05) -> None:
        self._rig = rig
        self._pause = pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self.confirmed = 0
        self.refused = 0

    def _send(self) -> None:
        while not self._stop.is_set():
            document = batch(event(number) for number in range(self.confirmed, self.confirmed + 100))
            while not self._confirmed(document):
                self.refused += 1
                time.sleep(0.2)
            self.confirmed += 100
            self._stop.wait(self._pause)

    def _confirmed(self, document: Any) -> bool:
        try:
            return self._rig.post(document).status_code == 200
        except httpx.TransportError:
            return False

    def wait_for(self, more: int, within: float = 60.0) -> None:
        """Wait until so many more events are confirmed."""
        goal = self.confirmed + more
        eventually(lambda: self.confirmed >= goal, within=within, what=f"{more} more events are confirmed")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), "the last batch was never confirmed"
