"""A batch that the broker does not find, since its length is damaged: read from what the broker gives along with what lies before it."""

import struct

import pytest
from aiokafka.errors import (
    CorruptRecordException,
    KafkaConnectionError,
    NotLeaderForPartitionError,
    OffsetOutOfRangeError,
)
from fetched_batches import batch
from fetching_scene import made_fetching, offsets_in
from structlog.testing import capture_logs

from bridge.kafka.consumer.client.given_before import given_before

P0 = ("t", 0)
FIRST, DAMAGED, NEXT = batch(0, [b"a", b"b"]), batch(2, [b"c", b"d"]), batch(4, [b"e"])
STORED = FIRST + DAMAGED[:8] + struct.pack(">i", 3) + DAMAGED[12:] + NEXT


async def _silent(client, fetching, clock, *, seconds=40, admitted=(P0,)):
    """Two records are read, then nothing comes of the partition; what is read within so many seconds."""
    client.logs[P0].append(5)
    client.logs[P0].position = 2
    client.stored[P0] = 2
    client.logs[P0].received = False
    found, surveyed = [], None
    for second in range(seconds):
        clock.now = float(second)
        surveyed = await fetching.survey({P0})
        fetch = await fetching.fetch(set(admitted), 0.0, 100)
        if P0 in fetch.records:
            found += offsets_in(fetch, P0)
    return found, surveyed


@pytest.mark.parametrize("nearest", [0, 1])
@pytest.mark.parametrize("told", [b"", CorruptRecordException()])
async def test_it_is_read_with_what_lies_before_it(nearest, told):
    """Whether the broker says nothing or an error, and wherever it finds the batch before; reading goes on behind all of it."""
    client, fetching, clock = made_fetching(P0, set_aside=True)
    client.raw_at = {2: told, 1: told, 0: told} | {nearest: STORED}
    with capture_logs() as lines:
        found, surveyed = await _silent(client, fetching, clock)
    assert found == [2, 3, 4]
    assert client.position(P0) == 5
    assert not surveyed.unreadable
    assert not client.logs[P0].paused
    assert [(line["event"], line["log_level"], line["first"], line["last"]) for line in lines] == [
        ("batch_mended", "warning", 2, 4)
    ]


async def test_it_is_held_where_nothing_is_to_be_set_aside():
    """The setting is to hold: told, and nobody looks at what lies before."""
    client, fetching, clock = made_fetching(P0)
    client.raw_at = {2: CorruptRecordException(), 1: STORED}
    found, surveyed = await _silent(client, fetching, clock)
    assert not found
    assert surveyed.unreadable[P0].offset == 2
    assert set(client.raw_asked) == {2}


@pytest.mark.parametrize("given", [b"", FIRST, FIRST + DAMAGED + NEXT, NEXT, STORED[:-30].replace(b"c", b"x")])
async def test_what_no_checksum_proves_is_not_passed(given):
    """Held and told; and asked for once each time that the broker is asked why it gives nothing, not with every survey."""
    client, fetching, clock = made_fetching(P0, set_aside=True)
    client.raw_at = {2: CorruptRecordException(), 1: given, 0: b""}
    found, surveyed = await _silent(client, fetching, clock, seconds=70)
    assert not found
    assert (surveyed.unreadable[P0].offset, client.position(P0)) == (2, 2)
    assert client.raw_asked.count(2) == client.raw_asked.count(1) == 2


@pytest.mark.parametrize("moved", ["another assignment", "another that has begun there", "read on"])
async def test_what_has_moved_meanwhile_is_left_alone(moved):
    """Another assignment, or a client that reads on: what was asked before says nothing any more."""
    client, fetching, clock = made_fetching(P0, set_aside=True)
    client.raw_at = {2: b"", 1: STORED}
    before = client.raw

    async def raw(partition, offset):
        found = await before(partition, offset)
        if offset == 1:
            await move()
        return found

    async def move():
        if moved == "read on":
            client.seek(P0, 4)
        else:
            fetching.assigned()
        if moved == "another that has begun there":
            client.assign()
            await fetching.survey({P0})

    client.raw = raw
    with capture_logs() as lines:
        await _silent(client, fetching, clock, seconds=32)
    assert client.raw_asked == [2, 1]
    assert "batch_mended" not in [line["event"] for line in lines]


async def test_it_is_looked_for_far_back_and_no_further():
    """A thousand offsets at most, none below the first; the end of the log, and an error that says nothing of the data, end the search."""
    client, _, _ = made_fetching(P0)
    assert await given_before(client, P0, 5_000, lambda: True) == b""
    assert client.raw_asked == list(range(4_999, 3_999, -1))
    client.raw_asked.clear()
    assert await given_before(client, P0, 3, lambda: True) == b""
    assert client.raw_asked == [2, 1, 0]
    for error in (NotLeaderForPartitionError(), KafkaConnectionError(), OffsetOutOfRangeError()):
        client.raw_asked.clear()
        client.raw_at = {1: error, 0: STORED}
        assert await given_before(client, P0, 3, lambda: True) == b""
        assert client.raw_asked == [2, 1]
    client.raw_asked.clear()
    client.raw_at = {0: STORED}
    assert await given_before(client, P0, 3, lambda: False) == b""
    assert client.raw_asked == [2]
    assert await given_before(client, P0, 3, lambda: True) == STORED


async def test_it_is_read_too_where_it_came_once_with_what_lies_before_it():
    """The client has failed over it then; tried again, it gets nothing but the broker's refusal."""
    client, fetching, clock = made_fetching(P0, set_aside=True)
    client.raw_at = {2: CorruptRecordException(), 1: STORED}
    log = client.logs[P0]
    log.append(5)
    log.damaged[2] = CorruptRecordException()
    found = offsets_in(await fetching.fetch({P0}, 0.0, 100), P0)
    log.received = False
    for second in range(1, 45):
        clock.now = float(second)
        await fetching.survey({P0})
        fetch = await fetching.fetch({P0}, 0.0, 100)
        found += offsets_in(fetch, P0) if P0 in fetch.records else []
    assert found == [0, 1, 2, 3, 4]
    assert client.position(P0) == 5
    assert not fetch.unreadable
