"""One stored batch, damaged in every way: what is sound comes out, and nothing is passed that cannot be told for certain."""

import struct

import pytest
from fetched_batches import batch, checked, rotten
from hypothesis import given
from hypothesis import strategies as st

from bridge.pipeline.stored_batch import read_batch

VALUES = [b"one", b"two" * 50, b"three"]


@pytest.mark.parametrize("compression", range(5))
def test_a_sound_batch_comes_out_whole(compression):
    """Key, value, headers, offsets and times, whatever it is compressed with, from the asked offset on."""
    raw = batch(7, VALUES, compression=compression, headers=[("h", b"v"), ("empty", b"")])
    found = read_batch(raw, 8)
    assert found.end == 10
    assert [(record.offset, record.value) for record in found.records] == [(8, VALUES[1]), (9, VALUES[2])]
    record = found.records[0]
    assert (record.key, record.headers, record.unreadable) == (b"k", (("h", b"v"), ("empty", b"")), "")
    assert record.timestamp == 1_700_000_000_001


def test_a_damaged_batch_is_one_piece_up_to_where_the_next_begins():
    """The next batch says where, even when the damage lies in the field that would."""
    damaged = bytearray(batch(7, VALUES))
    struct.pack_into(">i", damaged, 23, 900)
    found = read_batch(bytes(damaged) + batch(10, VALUES), 7)
    (record,) = found.records
    assert (record.offset, record.last, found.end) == (7, 9, 10)
    assert record.unreadable == "of its batch its checksum does not match"
    assert record.value == bytes(damaged)


def test_a_damaged_batch_without_a_witness_has_no_extent():
    """Neither a following batch nor its number of records says where it ends: nothing may be passed."""
    damaged = bytearray(batch(7, VALUES))
    struct.pack_into(">i", damaged, 23, 900)
    assert read_batch(bytes(damaged), 7) is None
    assert read_batch(bytes(damaged) + rotten(batch(10, VALUES)), 7) is None


def test_a_damaged_batch_whose_numbers_agree_needs_no_following_one():
    """The last of its partition."""
    assert read_batch(rotten(batch(7, VALUES)), 8).end == 10


def test_what_cannot_be_decompressed_is_one_piece():
    """Its checksum holds, so its extent does."""
    raw = bytearray(batch(0, VALUES, compression=1))
    raw[61:] = b"\0" * (len(raw) - 61)
    found = read_batch(checked(bytes(raw)), 1)
    (record,) = found.records
    assert (record.offset, record.last, found.end) == (1, 2, 3)
    assert "decompressed" in record.unreadable


@pytest.mark.parametrize(
    "raw", [b"", b"\0" * 60, batch(0, VALUES)[:-1], batch(0, VALUES)[:16] + b"\1" + batch(0, VALUES)[17:]]
)
def test_nothing_is_said_of_what_is_no_whole_batch_of_todays_format(raw):
    """Too short, cut off, or of an older version."""
    assert read_batch(raw, 0) is None


def test_an_offset_beyond_the_batch_is_none_of_it():
    """The broker gave another batch than the asked one."""
    assert read_batch(batch(0, VALUES), 3) is None


@given(st.integers(61, 240), st.integers(1, 255), st.integers(0, 2))
def test_whatever_byte_is_wrong_every_offset_is_accounted_for(at, change, offset):
    """The checksum holds (a writer's fault, not the disk's): the pieces cover all offsets from the asked one on, each once."""
    raw = bytearray(batch(0, VALUES, headers=[("name", b"value")]))
    raw[61 + (at - 61) % (len(raw) - 61)] ^= change
    found = read_batch(checked(bytes(raw)), offset)
    assert found.end == 3
    covered = [place for record in found.records for place in range(record.offset, max(record.last, record.offset) + 1)]
    assert covered == sorted(set(covered))
    assert set(covered) <= set(range(offset, 3))
    assert all(record.unreadable for record in found.records if record.last > record.offset)
