"""What does the client say of a place that cannot be read? It is held there, and damage is told from what is no fault of the data."""

import pytest
from aiokafka.errors import CorruptRecordException, RecordTooLargeError, UnsupportedCodecError
from aiokafka.record.memory_records import MemoryRecords
from fetched_batches import P0, Held, batch, checked, offsets_taken, rotten


@pytest.mark.parametrize(
    ("damage", "error", "damaged"),
    [
        (rotten(batch(2, [b"x", b"y"])), CorruptRecordException, True),
        (
            checked(batch(2, [b"x"], headers=[("ZZZZ", b"v")]).replace(b"ZZZZ", b"\xff\xfe\xfd\xfc")),
            UnicodeDecodeError,
            True,
        ),
    ],
)
async def test_what_was_read_before_a_damaged_place_is_given(damage, error, damaged):
    """The records before it come with the error, the position is that of the place, and reading there again says the same."""
    held = Held(P0)
    for _ in range(2):
        held.seek(held.partitions[0], 0)
        held.receive(P0, batch(0, [b"a", b"b"]), damage)
        taken = held.client.poll(P0, 100)
        assert (offsets_taken(taken), taken.end, taken.damaged) == ([0, 1], 2, damaged)
        assert isinstance(taken.error, error)
        assert held.client.position(P0) == 2
        assert held.client.holds() == []


@pytest.mark.parametrize("at", [0, 8])
async def test_a_batch_that_the_client_calls_too_large_is_not_passed_over(at):
    """The client moves its position by one when it finds no whole batch; ours is that of the batch."""
    held = Held(P0)
    held.seek(held.partitions[0], at)
    held.fail(P0, RecordTooLargeError("one"))
    state = held.subscriptions.subscription.assignment.state_value(held.partitions[0])
    state.consumed_to(state.position + 1)
    assert held.client.position(P0) == at
    taken = held.client.poll(P0, 10)
    assert (taken.start, taken.end, taken.damaged) == (at, at, True)
    assert isinstance(taken.error, RecordTooLargeError)
    assert held.client.position(P0) == at
    assert held.client.holds() == []


def _at(base, raw):
    """The batch with another offset, which no checksum covers."""
    return base.to_bytes(8, "big", signed=True) + raw[8:]


@pytest.mark.parametrize("base", [-(2**56), -1, 0, 1, 3, 4, 5, 2 + 255])
async def test_a_batch_whose_offset_is_damaged_is_not_passed_over(base):
    """Seemingly read already, or so far on that what follows seems to be: neither is lost, the partition is held there."""
    held = Held(P0)
    held.receive(P0, batch(0, [b"a", b"b"]), _at(base, batch(2, [b"c", b"d"])), batch(4, [b"e", b"f"]))
    taken = held.client.poll(P0, 10)
    assert (offsets_taken(taken), taken.end) == ([0, 1], 2)
    assert isinstance(taken.error, CorruptRecordException)
    assert taken.damaged
    assert held.client.position(P0) == 2


async def test_a_last_batch_behind_the_end_of_the_log_is_damaged():
    """Only the watermark tells."""
    held = Held(P0)
    held.subscriptions.subscription.assignment.state_value(held.partitions[0]).highwater = 4
    held.receive(P0, batch(0, [b"a", b"b"]), _at(3, batch(2, [b"c", b"d"])))
    taken = held.client.poll(P0, 10)
    assert (offsets_taken(taken), taken.damaged) == ([0, 1], True)


@pytest.mark.parametrize("position", [2, 3])
async def test_a_damaged_batch_that_was_passed_does_not_come_back(position):
    """The broker finds it first, whatever is asked for behind it, as it seems to lie further on."""
    held = Held(P0)
    held.client.seek(P0, position)
    held.receive(P0, _at(255, batch(0, [b"a", b"b"])), batch(2, [b"c", b"d"]), batch(4, [b"e"]))
    taken = held.client.poll(P0, 10)
    assert (offsets_taken(taken), taken.error, list(taken.gaps)) == ([*range(position, 5)], None, [])


@pytest.mark.parametrize("error", [UnsupportedCodecError("no library"), MemoryError()])
async def test_what_is_no_fault_of_the_data_is_not_called_damage(error):
    """With the codec the batch can be read, so it is tried again; a process without memory ends."""
    held = Held(P0)
    held.receive(P0, batch(0, [b"a"]))

    def failing():
        raise error
        yield

    class Broken:
        next_fetch_offset = 0
        _records = MemoryRecords(b"")
        _records_iterator = failing()

    held.fetcher._records[held.partitions[0]]._partition_records = Broken()
    if isinstance(error, MemoryError):
        with pytest.raises(MemoryError):
            held.client.poll(P0, 10)
    else:
        taken = held.client.poll(P0, 10)
        assert (taken.error, taken.damaged) == (error, False)


async def test_an_error_at_a_position_that_is_not_known_is_tried_from_the_beginning():
    """The client looks for it by itself where nothing is there any more."""
    held = Held(P0)
    held.fail(P0, RecordTooLargeError("one"))
    held.subscriptions.subscription.assignment.state_value(held.partitions[0]).await_reset(-2)
    taken = held.client.poll(P0, 10)
    assert (taken.start, taken.end) == (0, 0)
    assert held.client.position(P0) == 0
