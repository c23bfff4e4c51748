"""The leader's fetching of failed batches: an emulated AEP over real HTTP, and Kafka's topics in memory."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections import Counter

import pytest
import structlog

from bridge.adobe import data_access
from bridge.adobe.pages import Unreadable
from bridge.adobe.reconciliation.refused_record import read_record
from bridge.emulators.adobe import Emulator
from bridge.emulators.adobe.ingestion.dataset import Limits
from bridge.model.dead_letter import DeadLetter
from bridge.model.errors import BridgeError, KafkaError, LeadLost
from bridge.routes import failed_batches_fetch
from bridge.routes.failed_batches_progress import Progress
from bridge.routes.failed_batches_task import FailedBatchesTask, why_off
from bridge.settings import Route, Settings
from bridge.sources.moengage.decoder import DECODER
from bridge.telemetry.metrics import Metrics
from bridge.testing.later_refusals import CODE, LATER, strict_schema

HOUR = 3600.0


class Kafka:
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


class Lead:
    """A time of leading."""

    def __init__(self, kafka):
        self.publisher = self.state = kafka

    def check(self):
        """It lasts."""


class Scene:
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
            await task.run(lead or Lead(self.kafka))
        finally:
            await task.aclose()

    def later(self, seconds):
        """So much later."""
        self.now = lambda: time.time() + seconds

    def missing(self):
        """What the metric says."""
        return self.metrics.registry.get_sample_value("bridge_failed_records_missing_total")


def batch(emulator, *late, good=()):
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


@pytest.fixture
async def scene(monkeypatch):
    """Batches are closed by hand."""
    async with Emulator(schema=strict_schema(), limits=Limits(batch_seconds=HOUR)) as emulator:
        yield Scene(emulator, Kafka(), monkeypatch)


async def test_every_refused_record_has_one_letter_over_any_number_of_runs_and_leaders(scene):
    """Failed batches and failed parts of good ones; read again by the same leader, a new one, and one without memory."""
    for number in range(7):
        batch(scene.emulator, f"late-{number}", good=[f"good-{number}"])
    task, lead = scene.task(), Lead(scene.kafka)
    for _ in range(3):
        await task.run(lead)
    await task.aclose()
    await scene.run()
    scene.kafka.values.clear()
    await scene.run()
    assert scene.kafka.ids() == Counter(f"late-{number}" for number in range(7))
    assert {(one.stage, one.code, one.form) for one in scene.kafka.letters} == {("ingest", CODE, "xdm")}
    assert scene.metrics.dead_letters.labels("ingest", CODE)._value.get() == 7


async def test_more_batches_than_a_page_lists(scene):
    """Catalog lists a hundred at once; a batch that shows on two pages counts once, and what is done is not read again."""
    for number in range(130):
        batch(scene.emulator, f"late-{number}")
    await scene.run()
    assert scene.kafka.ids() == Counter(f"late-{number}" for number in range(130))
    looks = scene.kafka.looks
    await scene.run()
    assert scene.kafka.looks == looks


async def test_a_crash_between_letters_and_state_stores_nothing_twice(scene):
    """The letters are stored, the process dies before the state knows: the next leader finds them in the dead-letter topic."""
    batch(scene.emulator, "a", "b")

    def dies():
        raise LeadLost("killed")

    scene.kafka.lose = dies
    with pytest.raises(LeadLost):
        await scene.run()
    assert scene.kafka.ids() == Counter(["a", "b"])
    assert not scene.kafka.values
    scene.kafka.lose = lambda: None
    await scene.run()
    assert scene.kafka.ids() == Counter(["a", "b"])


async def test_two_that_both_think_they_lead_store_nothing_twice(scene):
    """The second reads its batch before the first has stored, and stores after it: it looks once more just before."""
    batch(scene.emulator, "a", "b")
    first, second, lead = scene.task(), scene.task(), Lead(scene.kafka)
    between = scene.kafka.publish
    entered = []

    async def records_between(_kafka, _since, _until):
        if not entered:
            entered.append(1)
            await first.run(Lead(scene.kafka))
        for _ in ():
            yield

    failed_batches_fetch.records_between = records_between  # put back by the fixture
    await second.run(lead)
    for one in (first, second):
        await one.aclose()
    assert between == scene.kafka.publish
    assert scene.kafka.ids() == Counter(["a", "b"])


async def test_without_a_state_topic_it_works_and_says_so(scene):
    """Neither read nor written: letters are stored once all the same, told by what lies in the dead-letter topic."""

    async def fails(*_):
        raise KafkaError("no such topic: bridge.state", hint="make it")

    scene.kafka.read = scene.kafka.write = fails
    batch(scene.emulator, "a")
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            await scene.run()
    assert scene.kafka.ids() == Counter(["a"])
    assert {one["hint"] for one in logs if one["event"] == "failed_batches_not_noted"} == {"make it"}


async def test_a_batch_of_very_many_records_needs_little_memory(scene, monkeypatch):
    """Forty parts of records: one part in memory at once, noted one by one, and the next leader goes on within the batch."""
    line = json.dumps({"body": {"xdmEntity": {"_id": "ID", "pad": "x" * 4_000}}, "_errors": [{"code": CODE}]}).encode()
    count, together = 4_000, 100
    monkeypatch.setattr(failed_batches_fetch, "_TOGETHER", together)

    async def records_of(_client, _batch):
        for number in range(count):
            yield read_record(line.replace(b"ID", b"%d" % number))

    batch(scene.emulator, "a")
    monkeypatch.setattr(failed_batches_fetch, "records_of", records_of)
    stored = Counter()

    async def publish(records, *, topic=None):
        assert topic
        stored["letters"] += len(records)

    scene.kafka.publish = publish
    writes = []

    def counts():
        writes.append(1)
        if len(writes) == 5:
            raise LeadLost("killed")

    scene.kafka.lose = counts
    tracemalloc.start()
    with pytest.raises(LeadLost):
        await scene.run()
    scene.kafka.lose = lambda: None
    await scene.run()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count <= stored["letters"] <= count + together
    assert peak < 6_000_000


async def test_records_that_aep_does_not_give_out_are_told_once(scene, monkeypatch):
    """Retention took the files: looked for again for an hour, then counted, told with the batch, and done with."""
    batch(scene.emulator, "a", "b", "c")

    async def gone(_client, _batch):
        return []

    monkeypatch.setattr("bridge.adobe.reconciliation.refused_record.failed_files", gone)
    await scene.run()
    assert scene.missing() == 0
    scene.later(1.5 * HOUR)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await scene.run()
    assert scene.missing() == 3
    assert [(one["counted"], one["read"]) for one in logs if one["event"] == "failed_records_missing"] == [(3, 0)]


async def test_a_batch_that_cannot_be_read_is_tried_again_and_does_not_stand_before_the_others(scene, monkeypatch):
    """The run fails, so that it is told, after the others are stored; the next one reads it, however much later."""
    batch(scene.emulator, "first")
    batch(scene.emulator, "second")
    real, broken = data_access.failed_files, []

    async def files(client, identifier):
        broken.append(identifier)
        if identifier == broken[0]:
            raise Unreadable("a failed record is too long")
        return await real(client, identifier)

    monkeypatch.setattr("bridge.adobe.reconciliation.refused_record.failed_files", files)
    with pytest.raises(BridgeError, match="too long"):
        await scene.run()
    assert scene.kafka.ids().total() == 1
    scene.later(40 * HOUR)
    with pytest.raises(BridgeError):
        await scene.run()
    monkeypatch.setattr("bridge.adobe.reconciliation.refused_record.failed_files", real)
    await scene.run()
    assert scene.kafka.ids() == Counter(["first", "second"])


async def test_without_rights_the_error_says_what_to_do(scene):
    """403: the role to add, or the setting that turns it off."""
    batch(scene.emulator, "a")
    scene.emulator.control(platform={"permissions": []})
    with pytest.raises(BridgeError) as caught:
        await scene.run()
    assert "403" in str(caught.value)
    assert "role" in caught.value.hint.lower()
    assert "BRIDGE_AEP__FAILED_BATCHES_SECONDS=0" in caught.value.hint
    scene.emulator.control(platform={"permissions": None})
    await scene.run()
    assert scene.kafka.ids() == Counter(["a"])


async def test_after_days_away_it_goes_on_where_it_was(scene):
    """A leader that begins three days later looks from where the last one was, not at the last day alone."""
    await scene.run()
    batch(scene.emulator, "a")
    scene.later(72 * HOUR)
    await scene.run()
    assert scene.kafka.ids() == Counter(["a"])
    # The day before the batch is looked through in steps, the last minutes first.
    assert scene.kafka.windows == [0, 0, 6, 18]


async def test_a_record_with_two_letters_stands_for_no_other(scene):
    """Two that stored at once died before the second record: as many letters as the batch has refused, and one without any."""
    batch(scene.emulator, "a", "b")
    await scene.run()
    letters = [one for one in scene.kafka.letters if one.event_uuid == "a"]
    scene.kafka.letters[:] = letters * 2
    scene.kafka.values.clear()
    await scene.run()
    assert scene.kafka.ids() == Counter({"a": 2, "b": 1})


async def test_a_state_that_cannot_be_read_at_first_is_not_written_over(scene):
    """What was refused days ago, while nobody led, is fetched as soon as the state tells of it."""
    await scene.run()
    batch(scene.emulator, "a")
    scene.later(72 * HOUR)
    batch(scene.emulator, "b")
    task, lead, read = scene.task(), Lead(scene.kafka), scene.kafka.read

    async def fails():
        raise KafkaError("in time")

    scene.kafka.read = fails
    await task.run(lead)
    scene.kafka.read = read
    await task.run(lead)
    await task.aclose()
    assert scene.kafka.ids() == Counter(["a", "b"])


async def test_what_somebody_has_fetched_by_hand_is_not_read_again(scene, monkeypatch):
    """All letters of a batch are there: its files are left alone."""
    store = batch(scene.emulator, "a")
    await scene.run()
    scene.kafka.values.clear()
    monkeypatch.setattr(failed_batches_fetch, "records_of", None)
    await scene.run()
    assert scene.kafka.ids() == Counter(["a"])
    assert any(one.failed_records for one in store.batches.values())


def test_when_it_is_due():
    """Regularly, over restarts; a while after a start of which nothing is remembered; never where it is off."""
    aep = {"failed_batches_seconds": 300, "dataset_id": "d"}
    route = Route("default", "moengage", "aep", Settings(aep=aep), declared=False)
    task = FailedBatchesTask(route, DECODER, Metrics())
    assert task.due(None, 1_000.0) == 1_060.0
    assert task.due(500.0, 1_000.0) == 800.0


@pytest.mark.parametrize(
    ("aep", "oauth", "words"),
    [
        ({}, {}, ""),
        ({"failed_batches_seconds": 0}, {}, "BRIDGE_AEP__FAILED_BATCHES_SECONDS is 0"),
        ({"dataset_id": None}, {}, "BRIDGE_AEP__DATASET_ID"),
        ({"dataset_id": "0123456789abcdef01234567"}, {}, "BRIDGE_AEP__DATASET_ID"),
        ({}, {"client_id": None}, "BRIDGE_OAUTH__CLIENT_ID"),
        ({}, {"client_secret": None}, "BRIDGE_OAUTH__CLIENT_SECRET"),
        ({"endpoint": "http://127.0.0.1:1/collection/a"}, {}, "BRIDGE_AEP__PLATFORM_URL is not set"),
        ({"endpoint": "http://127.0.0.1:1/collection/a", "platform_url": "https://platform.adobe.io"}, {}, ""),
        ({"endpoint": "http://127.0.0.1:1/collection/a", "platform_url": "http://127.0.0.1:1"}, {}, ""),
    ],
)
def test_where_it_does_not_run_it_says_why(aep, oauth, words):
    """Off, no dataset, no credentials; and the credentials of a stand-in never go to Adobe unless the settings say so."""
    aep = {
        "endpoint": "https://dcs.adobedc.net/collection/a",
        "org_id": "A@AdobeOrg",
        "dataset_id": "5b020a27e7040801dedb5cf0",
        **aep,
    }
    oauth = {"client_id": "a-client", "client_secret": "p8e-mine", **oauth}
    assert words in why_off(Settings(aep=aep, oauth=oauth))
    assert bool(words) == bool(why_off(Settings(aep=aep, oauth=oauth)))


def test_progress_is_stored_and_read_again():
    """What is not ours is nothing; what is done is forgotten with its time; what is pending holds it."""
    progress = Progress(since=100, done={"b1": 150, "b2": 300}, read_of={"b3": 7})
    assert Progress.from_bytes(progress.to_bytes()) == progress
    for other in (None, b"", b"[]", b"{no", b'{"done":[1]}', b'{"since":"x"}'):
        assert Progress.from_bytes(other) == Progress()
    day = 24
    assert not progress.move(now=120, back=day, most=1_000, pending=[100])
    assert progress.move(now=400, back=day, most=1_000, pending=[200])
    assert (progress.since, progress.done) == (200, {"b2": 300})
    assert progress.move(now=2_000, back=day, most=1_000, pending=[200])
    assert (progress.since, progress.done) == (1_976, {})


def test_progress_stays_small():
    """Of very many batches the oldest are left behind."""
    progress = Progress()
    for number in range(6_000):
        progress.finish(f"01HZX{number:021d}", number)
    assert len(progress.done) == 5_000
    assert progress.since == 1_000
    assert len(progress.to_bytes()) < 300_000
