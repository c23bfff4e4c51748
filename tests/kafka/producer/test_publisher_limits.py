"""How large may a record be? The publisher's limit wastes no room, and follows the topic's: on topics in memory, with real batches."""

from __future__ import annotations

import pytest
from published_records import NOISE, records, refuse
from stub_kafka import StubKafka, publisher_on

from bridge.kafka.producer.refusal import RefusedByKafka
from bridge.model.record import record_bytes


@pytest.mark.parametrize("limit", [200, 300, 1_000, 5_000, 70_000, 300_000, 1_048_588, 2_500_000])
@pytest.mark.parametrize("noise", [True, False])
async def test_a_record_at_the_limit_fits_whether_or_not_it_compresses(limit, noise) -> None:
    """The publisher's own limit leaves room for what a batch and a codec add; headers with long names count in bytes."""
    kafka = StubKafka()
    kafka.limits["events"] = limit
    publisher = publisher_on(kafka)
    headers = [("ü" * 20, None)] if limit > 200 else []
    room = publisher.event_limit - record_bytes((b"k", b"", headers))
    record = (b"k", (NOISE if noise else b"x" * len(NOISE))[:room], headers)
    await publisher.publish([record])
    assert len(kafka.stored["events"]) == 1
    assert publisher.event_limit > limit * 0.99 - 200, "the room is not wasted"


async def test_a_lowered_limit_is_read_again_though_small_events_pass() -> None:
    """The topic takes less than it did: the large event is refused at once, its small neighbour stored, batches get smaller."""
    kafka = StubKafka()
    publisher = publisher_on(kafka)
    await publisher.publish(records(b"small"))
    kafka.limits["events"] = 200_000
    with pytest.raises(RefusedByKafka) as caught:
        await publisher.publish(records(NOISE[:300_000], b"neighbour"))
    assert [(each.number, each.code) for each in caught.value.refused] == [(0, "too_large")]
    assert kafka.values("events") == [b"small", b"neighbour"]
    assert publisher.event_limit < 200_000
    sent = len(kafka.sends)
    await publisher.publish(records(*(NOISE[n * 9_000 : n * 9_000 + 9_000] for n in range(100))))
    assert len(kafka.stored["events"]) == 102
    assert len(kafka.sends) - sent < 8, "batches are filled by the new limit, none is refused"


async def test_a_limit_that_nobody_tells_is_found_by_trying() -> None:
    """Without the right to describe configurations a batch that is too large is halved until it passes."""
    kafka = StubKafka()
    kafka.limits_are_told = False
    publisher = publisher_on(kafka)
    kafka.limits["events"] = 100_000
    with pytest.raises(RefusedByKafka) as caught:
        await publisher.publish(records(*(NOISE[n * 30_000 : n * 30_000 + 30_000] for n in range(10)), NOISE[:150_000]))
    assert [each.number for each in caught.value.refused] == [10]
    assert len(kafka.stored["events"]) == 10


async def test_a_neighbour_at_the_very_limit_is_stored() -> None:
    """A record that is as large as the topic takes is not taken for too large while another one is looked for."""
    kafka = StubKafka()
    kafka.limits["events"] = 50_000
    kafka.refuse = refuse(b"bad")
    publisher = publisher_on(kafka)
    largest = NOISE[: publisher.event_limit - 1]
    with pytest.raises(RefusedByKafka) as caught:
        await publisher.publish(records(largest, b"bad"))
    assert [each.number for each in caught.value.refused] == [1]
    assert kafka.values("events") == [largest]


async def test_a_record_at_the_very_limit_of_now_is_stored() -> None:
    """The topic takes less than it did, and exactly this record still: it is sent alone, and its neighbour beside it."""
    kafka = StubKafka()
    publisher = publisher_on(kafka)
    kafka.limits["events"] = 50_000
    limit = publisher_on(kafka).event_limit
    largest, other = NOISE[: limit - 1], NOISE[:30_000]
    await publisher.publish(records(largest, other))
    assert kafka.values("events") == [largest, other]
    assert publisher.event_limit == limit
