"""Stored batches are decompressed as the client does it, and only within a bound."""

import os
import struct

import pytest
from aiokafka import codec
from fetched_batches import Held, batch
from hypothesis import given
from hypothesis import strategies as st

from bridge.kafka.batches.decompression import (
    DECODERS,
    MOST_BYTES,
    BatchTooLarge,
    bound_client,
    gunzip,
    unlz4,
    unsnap,
    unzstd,
)
from bridge.kafka.consumer.client.stored_batch import read_batch

ENCODERS = [codec.gzip_encode, codec.snappy_encode, codec.lz4_encode, codec.zstd_encode]
BOTH = list(zip(ENCODERS, DECODERS.values(), strict=True))
ZEROS = b"0" * (MOST_BYTES + 1)
PARTITION = ("events", 0)


@pytest.mark.parametrize(("encode", "decode"), BOTH)
@given(data=st.binary(max_size=3_000), times=st.integers(1, 40))
def test_what_was_compressed_comes_back(encode, decode, data, times):
    """Of every codec, whether it compresses or not."""
    whole = data * times
    assert decode(encode(whole)) == whole


def test_other_forms_come_back_too():
    """Gzip of several members and padding, snappy without blocks."""
    data = os.urandom(100_000)
    assert gunzip(codec.gzip_encode(data[:10]) + codec.gzip_encode(data[10:]) + b"\0\0") == data
    assert unsnap(bytes(codec.snappy_encode(data, xerial_compatible=False))) == data


@pytest.mark.parametrize(("encode", "decode"), BOTH)
def test_more_than_the_bound_is_refused(encode, decode):
    """A megabyte over it, and what is just within it is read."""
    with pytest.raises(BatchTooLarge):
        decode(encode(ZEROS))
    assert len(decode(encode(ZEROS[:-1]))) == MOST_BYTES


@pytest.mark.parametrize(("encode", "decode"), BOTH)
def test_damage_is_not_taken_for_size(encode, decode):
    """What is cut off or changed is refused for that, and nothing goes on for ever."""
    whole = encode(os.urandom(5_000))
    for damaged in (whole[:-20], whole[:3], b"\0" * 50):
        with pytest.raises(Exception, match=r".") as failure:
            decode(damaged)
        assert failure.type is not BatchTooLarge


@pytest.mark.parametrize("length", [-4, -1, 2**31 - 1, 7])
def test_blocks_of_snappy_with_a_wrong_length_end(length):
    """One that points back would be read again and again."""
    with pytest.raises(ValueError, match="longer than what is there"):
        unsnap(codec.snappy_encode(b"")[:16] + struct.pack(">i", length))


@pytest.mark.parametrize("compression", [1, 2, 3, 4])
async def test_the_client_holds_the_partition_of_such_a_batch(compression):
    """It is no process's end: the batch counts as damaged, what lies before it is read, and it can be set aside."""
    bound_client()
    sound, bomb = batch(0, [b"one"]), batch(1, [ZEROS, b"two"], compression=compression)
    held = Held(PARTITION)
    held.receive(PARTITION, sound, bomb)
    taken = held.client.poll(PARTITION, 100)
    assert [row.value for row in taken.rows] == [b"one"]
    assert isinstance(taken.error, BatchTooLarge)
    assert taken.damaged
    (record,) = read_batch(bomb, 1).records
    assert (record.offset, record.last, record.value) == (1, 1, bomb)
    assert record.unreadable == "of its batch it cannot be decompressed (BatchTooLarge)"


def test_all_decoders_are_the_bounded_ones():
    """None of the client's own is left."""
    assert set(DECODERS.values()) == {gunzip, unsnap, unlz4, unzstd}
