"""A route whose AEP is emulated over real HTTP, with failed batches, and Kafka's topics in memory."""

from __future__ import annotations

import time
from collections import Counter

from bridge.model.dead_letter import DeadLetter
from bridge.routes import failed_batches_fetch
from bridge.routes.failed_batches_task import FailedBatchesTask
from bridge.settings import Route, Settings
from bridge.sources.moengage.decoder import DECODER
from bridge.telemetry.metrics import Metrics
from bridge.testing.later_refusals import LATER

HOUR = 3600.0


class LetterTopics:
    """The dead-letter topic and the state topic; ``lose`` is called before each write of the state."""

    def __init__(self):
        self.letters, self.values, self.looks, self.windows = [], {}, 0, []
        self.lose = lambda: None

    async def publish(self, records, *, topic=None):
        """Store letters."""
        assert topic == "moengage.events.dead-letters"
        assert len(records) <= 500
        self.letters += [DeadLetter.from_headers(*record) for record in records]

    def limit(self, _topic):
        """Any size."""
        return 1_000_000

    async def read(self):
        """The state."""
        return dict(self.values)

    async def write(self, values):
        """The state."""
        self.lose()
        self.values.update(values)

    def ids(self):
        """Events with a letter, each as often as it has one."""
        return Counter(letter.event_uuid for letter in self.letters)


class LeadTime:
    """A time of leading."""

    def __init__(self, kafka):
        self.publisher = self.state = kafka

    def check(self):
        """It lasts."""


class FailedBatchesScene:
    """The task of a route whose AEP is emulated; ``now`` is its wall clock."""

    def __init__(self, emulator, kafka, monkeypatch, **aep):
        self.emulator, self.kafka, self.metrics, self.now = emulator, kafka, Metrics(), time.time
        environment = {name.removeprefix("BRIDGE_"): value for name, value in emulator.environment().items()}
        sections = {"aep": dict(aep), "oauth": {}}
        for name, value in environment.items():
            section, key = name.lower().split("__", 1)
            sections[section].setdefault(key, value)
        self.settings = Settings(**sections)
        scene = self

        class Letters(failed_batches_fetch.IngestLetters):
            async def look(self):
                scene.kafka.looks += 1
                for letter in scene.kafka.letters[self._next.get(0, 0) :]:
                    self._see([(name, text) for name, text in letter.to_headers()])
                self._next[0] = len(scene.kafka.letters)

        async def records_between(_kafka, since, until):
            scene.kafka.windows.append(round((until - since) / 3_600_000))
            for _ in ():
                yield

        monkeypatch.setattr(failed_batches_fetch, "IngestLetters", Letters)
        monkeypatch.setattr(failed_batches_fetch, "records_between", records_between)
        monkeypatch.setattr(failed_batches_fetch, "_BREATH", 0)

    def task(self):
        """As a worker makes it."""
        route = Route("default", "moengage", "aep", self.settings, declared=False)
        return FailedBatchesTask(route, DECODER, self.metrics, wall=self._wall)

    def _wall(self):
        return self.now()

    async def run(self, task=None, lead=None):
        """One run of a worker that has just begun to lead."""
        task = task or self.task()
        try:
            await task.run(lead or LeadTime(self.kafka))
        finally:
            await task.aclose()

    def later(self, seconds):
        """So much later."""
        self.now = lambda: time.time() + seconds

    def missing(self):
        """What the metric says."""
        return self.metrics.registry.get_sample_value("bridge_failed_records_missing_total")


def failed_batch(emulator, *late, good=()):
    """A batch of AEP's with these events."""
    store = emulator.ingestion.store(next(iter(emulator.platform.sandboxes.values())), emulator.dataset_id)
    emulator.ingestion._prepare(next(iter(emulator.platform.sandboxes.values())), store)
    for one in (*late, *good):
        entity = {
            "_id": one,
            "timestamp": "2026-01-01T00:00:00Z",
            "_yourorgname": {"campaignName": LATER if one in late else "a"},
        }
        store.accept(one, {"header": {}, "body": {"xdmMeta": {}, "xdmEntity": entity}})
    store.settle()
    return store
