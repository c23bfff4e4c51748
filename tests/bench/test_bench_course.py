"""What the benchmark makes of the course of a run, and what it runs on without Java."""

from __future__ import annotations

import orjson
import pytest

from bench.brokers import EMBEDDED_PARTITIONS, Feed, embedded_broker
from bench.course import Sample, Stretch, stretch, tenths
from bench.records import event_id
from bench.rows import MOST, wide_records, write_mapping
from bridge.routes.mapping_opening import open_experience_events
from bridge.settings import MappingSettings

pytestmark = pytest.mark.clock


def test_tenths_of_a_run() -> None:
    """A run that slows down by half and costs twice as much in its second half shows it, tenth by tenth."""
    samples = [Sample(number * 0.1, number * 10, number * 0.01) for number in range(51)]
    samples += [Sample(5.0 + number * 0.2, 500 + number * 10, 0.5 + number * 0.02) for number in range(1, 51)]
    parts = tenths(samples, 1_000)
    assert [round(part.events_per_second) for part in parts] == [100] * 5 + [50] * 5
    assert [round(part.cpu_seconds_per_million) for part in parts] == [1_000] * 5 + [2_000] * 5


def test_a_stretch_begins_and_ends_at_samples() -> None:
    """Arrivals come by hundreds: the part is measured between the samples that had reached its bounds."""
    samples = [Sample(0.0, 90, 1.0), Sample(1.0, 590, 2.0), Sample(3.0, 1_000, 4.0)]
    assert stretch(samples, 1_000, 0.3, 0.9) == Stretch(410 / 2, 2.0 / 410 * 1e6)
    with pytest.raises(ValueError, match="no two samples"):
        stretch(samples, 1_000, 0.7, 0.9)


@pytest.mark.parametrize("rows", [10, 100, 1_000])
def test_every_row_finds_its_value(rows, tmp_path) -> None:
    """The mapping sets of the scale run have as many rows as they say, and each gives a field of an event that would leave."""
    path = tmp_path / "rows.csv"
    write_mapping(rows, path)
    assert len(path.read_text(encoding="utf-8").splitlines()) == rows + 1
    built = open_experience_events(MappingSettings(path=path))
    event = orjson.loads(next(iter(wide_records(1)))[1])
    assert len(event["user_attributes"]) == MOST
    xdm = built.build(event)
    assert xdm.rejection is None
    assert not xdm.warnings
    assert xdm.xdm["_id"] == event_id(0)
    assert len(xdm.xdm["_yourorgname"]) == rows - 4


def test_feeding_the_embedded_broker_goes_on_with_what_arrives() -> None:
    """Never more than the broker keeps is ahead of what has arrived, and in the end every record was written once."""
    from confluent_kafka import Consumer

    with embedded_broker(("events",)) as kafka:
        feed = Feed(kafka.bootstrap, "events", 6_000)
        consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "g", "auto.offset.reset": "earliest"})
        consumer.subscribe(["events"])
        try:
            seen: list[bytes] = []
            parts: set[int] = set()
            for _ in range(600):
                feed.go_on(len(seen))
                assert feed.ahead < 4_010_000
                for record in consumer.consume(500, timeout=0.1):
                    assert record.error() is None
                    seen.append(record.value())
                    parts.add(record.partition())
                if len(seen) >= 6_000:
                    break
        finally:
            consumer.close()
    assert len(seen) == len(set(seen)) == 6_000
    assert parts == set(range(EMBEDDED_PARTITIONS))
