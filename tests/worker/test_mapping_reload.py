"""A changed mapping set is taken only when it compiles and its golden cases hold."""

import asyncio
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog
from prometheus_client import generate_latest
from worker_parts import parts_of

from bridge.destinations.aep.transform import XdmTransform
from bridge.model.verdicts import Rejected, Stage
from bridge.routes.mapping_opening import open_experience_events
from bridge.routes.xdm_files import XdmFiles
from bridge.settings import AepSettings, MappingSettings, Settings
from bridge.telemetry.metrics import Metrics
from bridge.worker.mapping_watch import MappingWatch
from bridge.worker.worker import Worker

ROWS = 'source,destination\nid,_id\n"dformat(time * 1000, ""yyyy-MM-dd\'T\'HH:mm:ssX"")",timestamp\nuid,identityMap.Email[0].id\n'
EVENT = {"id": "e1", "time": 1731421200, "uid": "a@example.com", "event_name": "Sent", "event_code": "X"}


class Taken(list):
    """What the worker was handed."""

    def exchange(self, transform):
        """Take what the watch hands over."""
        self.append((transform.builder, transform.mapping))


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    """A small mapping set of one's own."""
    path = tmp_path / "mapping.csv"
    path.write_text(ROWS)
    return path


def watch_of(mapping: Path, taken: Taken, metrics: Metrics | None = None, tests: Path | None = None) -> MappingWatch:
    """A watch over the mapping set as it is now."""
    return watch_over(MappingSettings(path=mapping, tests=tests), taken, metrics or Metrics())


def watch_over(settings: MappingSettings, taken: Taken, metrics: Metrics, aep=None, recent=tuple) -> MappingWatch:
    """A watch over the files of these settings."""

    def transform_of(builder):
        return XdmTransform(builder, lambda _event: b"{}", metrics)

    in_use = transform_of(open_experience_events(settings))
    return MappingWatch(XdmFiles(settings, transform_of, aep), lambda: in_use, taken.exchange, metrics, recent=recent)


async def looks(watch: MappingWatch, times: int = 2) -> None:
    """So many looks without the waits between them."""
    for _ in range(times):
        await watch.look()


def change(path: Path, text: str) -> None:
    """Write the file so that its time differs also on a coarse clock."""
    path.write_text(text)
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1_000_000))


async def test_an_untouched_file_is_left_alone(mapping):
    """Nothing is compiled again while nothing changes."""
    taken = Taken()
    await looks(watch_of(mapping, taken), 5)
    assert taken == []


async def test_a_changed_mapping_is_taken_with_its_sha256(mapping):
    """The new rows apply, and metrics name the new digest alone."""
    taken, metrics = Taken(), Metrics()
    watch = watch_of(mapping, taken, metrics)
    change(mapping, ROWS + "event_name,eventType\n")
    await looks(watch)
    ((events, sha256),) = taken
    assert events.build(EVENT).xdm["eventType"] == "Sent"
    labels = [sample.labels["sha256"] for family in metrics.mapping_info.collect() for sample in family.samples]
    assert labels == [sha256]


async def test_a_file_that_still_changes_waits(mapping):
    """A half-written copy is not taken: the file must stand still between two looks."""
    taken = Taken()
    watch = watch_of(mapping, taken)
    change(mapping, ROWS.splitlines()[0] + "\nid,_id\n")
    await watch.look()
    change(mapping, ROWS + "event_name,eventType\n")
    await watch.look()
    assert taken == []
    await watch.look()
    assert len(taken) == 1


@pytest.mark.parametrize("broken", [ROWS + "uper(event_name),eventType\n", "no,columns\nof,ours\n", ""])
async def test_what_does_not_compile_is_refused_and_the_old_stays(mapping, broken):
    """An error in the file is counted once and nothing is exchanged; a repaired file is taken again."""
    taken, metrics = Taken(), Metrics()
    watch = watch_of(mapping, taken, metrics)
    change(mapping, broken)
    await looks(watch, 4)
    assert taken == []
    assert metrics.mapping_reloads.labels("refused")._value.get() == 1
    change(mapping, ROWS + "event_name,eventType\n")
    await looks(watch)
    assert len(taken) == 1


async def test_what_contradicts_the_schema_is_refused_and_the_old_stays(mapping, tmp_path):
    """A field that the schema lacks, and a schema file that is not the one events are declared for."""
    schema = tmp_path / "own.schema.json"
    stated = {"$id": "https://ns.adobe.com/acme/schemas/1", "properties": {"eventType": {"type": "string"}}}
    schema.write_text(json.dumps(stated))
    settings, taken, metrics = MappingSettings(path=mapping, schema=schema), Taken(), Metrics()
    watch = watch_over(settings, taken, metrics, AepSettings(schema_id=stated["$id"]))
    change(mapping, ROWS + "event_name,commerce.x\n")
    await looks(watch)
    change(mapping, ROWS + "event_name,eventType\n")
    change(schema, json.dumps({**stated, "$id": "https://ns.adobe.com/acme/schemas/2"}))
    await looks(watch)
    assert taken == []
    assert metrics.mapping_reloads.labels("refused")._value.get() == 2
    change(schema, json.dumps(stated))
    await looks(watch)
    assert len(taken) == 1


async def test_a_vanished_file_is_refused_until_it_is_back(mapping):
    """Deleting the file does not stop the worker."""
    taken, metrics = Taken(), Metrics()
    watch = watch_of(mapping, taken, metrics)
    mapping.unlink()
    await looks(watch)
    assert taken == []
    assert metrics.mapping_reloads.labels("refused")._value.get() == 1


async def test_golden_cases_must_hold(mapping, tmp_path):
    """A mapping that compiles but changes a golden result is refused; with the case brought along it is taken."""
    cases = tmp_path / "cases"
    cases.mkdir()
    (cases / "one.event.json").write_text(json.dumps(EVENT))
    xdm = open_experience_events(MappingSettings(path=mapping)).build(EVENT).xdm
    (cases / "one.expected.json").write_text(json.dumps(xdm))
    taken = Taken()
    watch = watch_of(mapping, taken, tests=cases)
    change(mapping, ROWS + "event_name,eventType\n")
    await looks(watch, 3)
    assert taken == []
    change(cases / "one.expected.json", json.dumps(xdm | {"eventType": "Sent"}))
    await looks(watch)
    assert len(taken) == 1


async def test_a_set_that_would_refuse_recent_events_is_not_taken(mapping):
    """What the set in use takes of the newest events a changed one must take too; it is told by code and field, without values."""
    taken, metrics = Taken(), Metrics()
    recent = [EVENT, {**EVENT, "id": "e2"}, {"id": "e3"}]
    watch = watch_over(MappingSettings(path=mapping), taken, metrics, recent=lambda: recent)
    change(mapping, ROWS.replace("id,_id", "event_attributes.missing,_id"))
    with structlog.testing.capture_logs() as logs:
        await looks(watch)
    assert taken == []
    (why,) = [line["why"] for line in logs if line["log_level"] == "error"]
    assert why == "it would refuse 2 of the last 3 sampled events that the set in use takes: required_missing _id"
    change(mapping, ROWS + "event_name,eventType\n")
    await looks(watch)
    assert len(taken) == 1


async def test_cases_that_cannot_be_read_do_not_end_the_watch(mapping, tmp_path, monkeypatch):
    """A folder without permission is looked at again and again; a mapping set that changes meanwhile is refused with the reason."""
    cases = tmp_path / "cases"
    cases.mkdir()
    (cases / "sent.event.json").write_text(json.dumps(EVENT))
    metrics = Metrics()
    watch = watch_of(mapping, Taken(), metrics, tests=cases)

    def forbidden(path: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    for name in ("iterdir", "is_dir", "glob"):
        monkeypatch.setattr(Path, name, forbidden)
    await looks(watch, 3)
    assert b'bridge_mapping_reloads_total{result="refused",route="default"} 1.0' in generate_latest(metrics.registry)


async def test_an_unexpected_error_of_a_look_is_told_once_and_does_not_end_the_watch(mapping, monkeypatch):
    """Else no change would be taken up any more, and nobody would know."""
    taken, metrics = Taken(), Metrics()
    watch = watch_over(MappingSettings(path=mapping, reload_seconds=0.01), taken, metrics)
    exchange = taken.exchange
    tries = []

    def breaks(transform):
        tries.append(transform)
        if len(tries) < 2:
            raise RuntimeError("a defect")
        exchange(transform)

    monkeypatch.setattr(watch, "_exchange", breaks)
    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(20):
            running = asyncio.create_task(watch.run())
            for count, rows in ((1, "uid,note\n"), (2, "uid,remark\n")):
                change(mapping, ROWS + rows)
                while len(tries) < count:  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.01)
        running.cancel()
    assert len(taken) == 1
    assert [line["why"] for line in logs if line["event"] == "mapping_refused"] == ["unexpected RuntimeError"]
    assert watch.refused is None


async def test_a_change_while_kafka_is_awaited_is_taken(mapping):
    """A worker that starts before Kafka does looks at the file as it was loaded, not as it is once Kafka is there."""
    settings = Settings(mapping={"path": mapping})
    builder = open_experience_events(settings.mapping)
    destination = SimpleNamespace(
        max_request_bytes=1_000, max_request_events=10, frame_bytes=2, separator_bytes=1, encode=lambda _event: b"{}"
    )
    metrics = Metrics()
    worker = Worker(settings, parts_of(destination, builder, metrics, mapping=settings.mapping), metrics)
    change(mapping, ROWS + "event_name,eventType\n")
    await looks(worker.assembly.mapping_watch)
    assert worker.assembly.mapping.transform.mapping != builder.mapping.sha256
    assert worker.assembly.mapping.transform.builder is not builder


async def test_a_refusal_after_a_reload_names_the_mapping_of_its_event(mapping):
    """Events wait in requests for AEP's answer: the dead letter names what mapped its event, not what is in use by then."""
    settings = Settings(mapping={"path": mapping})
    builder = open_experience_events(settings.mapping)
    destination = SimpleNamespace(
        max_request_bytes=1_000, max_request_events=10, frame_bytes=2, separator_bytes=1, encode=lambda _event: b"{}"
    )
    metrics = Metrics()
    worker = Worker(settings, parts_of(destination, builder, metrics, mapping=settings.mapping), metrics)
    worker.ledger.open(1, {("t", 0): None})

    def admitted(offset):
        record = SimpleNamespace(key=b"k", value=json.dumps(EVENT).encode(), timestamp=0, offset=offset, headers=())
        chunk = worker.ledger.register_chunk(("t", 0), 1, [record], 10, first=offset, last=offset)
        worker.assembly.mapping.map_chunk(chunk)
        return chunk

    before = admitted(0)
    change(mapping, ROWS + "event_name,eventType\n")
    await looks(worker.assembly.mapping_watch)
    after = admitted(1)
    for chunk in (before, after):
        worker.assembly.rejected(chunk, 0, Rejected(Stage.DELIVER, "aep_400", "refused"), 1)
    told = [letter.fit.letter.mapping for letter in worker.letters._queue]
    assert told == [builder.mapping.sha256, worker.assembly.mapping.transform.mapping]
    assert told[0] != told[1]


async def test_results_are_counted_from_nought(mapping):
    """Before the first change both results stand at 0, so that an alert sees the first refusal as an increase."""
    metrics = Metrics()
    watch_of(mapping, Taken(), metrics)
    told = generate_latest(metrics.registry).decode()
    for result in ("taken", "refused"):
        assert f'bridge_mapping_reloads_total{{result="{result}",route="default"}} 0.0' in told
