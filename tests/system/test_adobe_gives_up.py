"""Adobe gives up: a call is made again twice, after 15 and 30 s (here after 3 and 6), and then its profile is lost. What was answered 200 is not."""

from __future__ import annotations

import threading
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Self

import httpx
import pytest

from bridge.testing.kafka.admin import create_topic
from bridge.testing.kafka.broker import Broker
from bridge.testing.processes import eventually
from bridge.testing.rig import RoutesRig

pytestmark = [pytest.mark.kafka, pytest.mark.slow(60)]

_AUTH = {"Authorization": "Bearer long-random-text"}
_SETTINGS = {
    "BRIDGE_ADOBE__CUSTOMER_ID_NAMESPACE": "crmId",
    "BRIDGE_RECEIVER__AUTH": "header",
    "BRIDGE_RECEIVER__HEADER_NAME": "Authorization",
    "BRIDGE_RECEIVER__HEADER_VALUE": _AUTH["Authorization"],
}
_PAUSES = (3.0, 6.0)
_ANSWER_WITHIN = 2.0
"""Seconds that Adobe waits for an answer; they are not shortened, since the receiver has its own 1.5 s."""
_EVERY = 0.1


class GivingUp:
    """Makes a call for a new customer every tenth of a second, while entered. ``answered``: whose call got 200; ``lost``: whose did not."""

    def __init__(self, url: str, label: str) -> None:
        self._url, self._label = url, label
        self._ended = threading.Event()
        self.answered: set[str] = set()
        self.lost: set[str] = set()
        self.statuses: set[int] = set()
        self._http = httpx.Client(headers=_AUTH, timeout=_ANSWER_WITHIN, limits=httpx.Limits(), trust_env=False)
        self._pool = ThreadPoolExecutor(max_workers=200)
        self._calls: list[Future[None]] = []
        self._clock = threading.Thread(target=self._run)

    def _run(self) -> None:
        number = 0
        while not self._ended.wait(_EVERY):
            number += 1
            self._calls.append(self._pool.submit(self._tell, f"{self._label}-{number}"))

    def _tell(self, customer: str) -> None:
        body = {"person": {"name": {"firstName": customer}}, "identityMap": {"crmId": [{"id": customer}]}}
        for pause in (*_PAUSES, None):
            try:
                answer = self._http.post(self._url, json=body)
                self.statuses.add(answer.status_code)
                if answer.status_code == 200:
                    self.answered.add(customer)
                    return
            except httpx.TransportError:
                self.statuses.add(0)
            if pause is not None:
                time.sleep(pause)
        self.lost.add(customer)

    def __enter__(self) -> Self:
        self._clock.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._clock.join()
        self._pool.shutdown(wait=True)
        self._http.close()
        for call in self._calls:
            call.result()


@contextmanager
def _away(broker: Broker):
    broker.pause()
    try:
        yield
    finally:
        broker.resume()


def _topics(broker: Broker):
    def create(kind: str = "events", *, partitions: int = 2) -> str:
        return create_topic(broker.bootstrap, f"gives-up.{kind}.{uuid.uuid4().hex[:8]}", partitions=partitions)

    return create


def test_what_was_answered_200_is_there_however_long_kafka_is_away(tmp_path):
    """Away for less than Adobe's tries last: no profile is lost. Away for longer: Adobe loses some, and none that was answered 200."""
    kinds = {"sources": {"crm": "adobe"}, "destinations": {"crm": "moengage"}}
    with (
        Broker(tmp_path / "kafka") as broker,
        RoutesRig(
            broker.bootstrap,
            _topics(broker),
            tmp_path,
            {"crm": _SETTINGS | {"BRIDGE_KAFKA__CREATE_TOPICS": "true"}},
            **kinds,
        ) as rig,
    ):
        route = rig["crm"]
        rig.receiver()
        rig.worker(within=90)
        with GivingUp(route.streams, "short") as adobe:
            eventually(lambda: len(adobe.answered) > 5, within=30, what="calls are answered")
            with _away(broker):
                # The last try of whoever called first comes four seconds later, and needs Kafka.
                eventually(lambda: 503 in adobe.statuses, within=8, what="a call is answered 503")
            before = len(adobe.answered)
            eventually(lambda: len(adobe.answered) > before + 20, within=30, what="calls are answered again")
        assert not adobe.lost
        promised = set(adobe.answered)
        with GivingUp(route.streams, "long") as adobe:
            with _away(broker):
                eventually(lambda: adobe.lost, within=60, what="a profile's last try has failed")
            eventually(lambda: len(adobe.answered) > 5, within=60, what="calls are answered after the outage")
        promised |= adobe.answered

        def there():
            page = route.emulator.received(customers=1, limit=10_000)
            return {name for name, _, _ in page["customers"]}

        eventually(lambda: promised <= there(), within=90, what="whoever was answered 200 is there")
        assert route.letters() == []
