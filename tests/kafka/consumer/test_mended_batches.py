"""A stored batch whose length or version is damaged: its checksum tells which is right, and nothing else is believed."""

import struct

import pytest
from aiokafka.record.util import calc_crc32c
from fetched_batches import batch, checked, rotten
from hypothesis import given
from hypothesis import strategies as st

from bridge.kafka.consumer.client import stored_batch
from bridge.kafka.consumer.client.batch_runs import read_behind, read_on
from bridge.kafka.consumer.client.stored_batch import read_batch

VALUES = [b"one", struct.pack(">q", 10) * 20, b"three"]
"""The second holds the bytes of the offset behind the batch."""
FIRST = batch(7, VALUES)
NEXT = batch(10, [b"four"])


def _with_length(length, raw=FIRST):
    return raw[:8] + struct.pack(">i", length) + raw[12:]


def _with_version(version, raw=FIRST):
    return raw[:16] + struct.pack(">b", version) + raw[17:]


def _values(found):
    return None if found is None else [(record.offset, record.value, record.unreadable) for record in found.records]


WHOLE = [(7 + at, value, "") for at, value in enumerate(VALUES)]


@given(st.integers(-(2**31), 2**31 - 1), st.integers(-128, 127), st.sampled_from([b"", NEXT, NEXT + FIRST]))
def test_whatever_its_length_and_version_say_the_batch_is_read(length, version, behind):
    """Alone at the end of what there is, or before others: every record, and where the next one begins."""
    found = read_batch(_with_version(version, _with_length(length)) + behind, 7)
    assert _values(found) == WHOLE
    assert (found.end, found.size) == (10, len(FIRST))
    assert found.mended == ((length, version) != (len(FIRST) - 12, 2))


@pytest.mark.parametrize("offset", [6, 10])
def test_only_its_own_offsets_are_looked_for(offset):
    """A batch with another offset than what was asked for is none of which the length is known."""
    assert read_batch(_with_length(1) + NEXT, offset) is None
    assert read_batch(_with_version(9) + batch(12, [b"behind a gap"]), offset) is None


@pytest.mark.parametrize("at", [17, 21, 25, 60, 100, -1])
def test_two_damages_leave_nothing_that_could_be_believed(at):
    """The checksum, or what it covers, is damaged as well: nothing is passed and nothing made up."""
    raw = _with_length(100_000, rotten(FIRST, at))
    assert read_batch(raw + NEXT, 7) is None
    assert read_batch(raw, 7) is None


def test_what_is_cut_off_is_not_whole():
    """The fetch ends within the batch: no length that is there fits."""
    assert read_batch(_with_length(9_999)[:-1], 7) is None


def test_what_begins_behind_it_is_no_end_of_it():
    """Of the next batch only a byte is there, which does not tell where it begins: the length is not known."""
    assert read_batch(_with_length(9_999) + NEXT[:1], 7) is None


def test_the_shortest_batch_is_read_with_a_damaged_version_too():
    """Compaction has left nothing of it, and a gap behind it."""
    emptied = bytearray(batch(7, [b"x"])[:61])
    struct.pack_into(">i", emptied, 8, 49)
    struct.pack_into(">i", emptied, 57, 0)
    found = read_batch(_with_version(9, checked(bytes(emptied))) + batch(20, [b"y"]), 7)
    assert (found.records, found.end, found.size, found.mended) == ((), 8, 61, True)


def test_a_hundred_places_are_tried_and_no_more():
    """Payloads that are full of what looks like the next offset cost a bounded time."""
    for count, known in ((98, True), (101, False)):
        raw = batch(7, [struct.pack(">q", 8) * count])
        found = read_batch(_with_length(99_999, raw) + batch(8, [b"x"]), 7)
        assert (found is not None) == known


def test_behind_a_mended_batch_what_is_sound_is_read_as_well():
    """The broker may not find it: batch after batch, up to one that is damaged, lies elsewhere or belongs to a transaction."""
    more, last = batch(11, [b"five", b"six"]), batch(13, [b"seven"])
    found = read_on(_with_length(5) + NEXT + more + last, 7, most=100)
    assert [record.offset for record in found.records] == list(range(7, 14))
    assert (found.end, found.mended, found.size, found.plain) == (14, True, len(FIRST + NEXT + more + last), True)
    marker, transactional = (_with_attributes(NEXT, bits) for bits in (0x20, 0x10))
    for stop in (rotten(NEXT), marker, transactional, NEXT[:-2], NEXT[:70]):
        found = read_on(_with_length(5) + stop + last, 7, most=100)
        assert (_values(found), found.end) == (WHOLE, 10)
    for elsewhere in (batch(11, [b"gap"]), batch(9, [b"twice"])):
        assert read_on(_with_length(5) + elsewhere + last, 7, most=100) is None, "nothing tells where it ends"
        found = read_on(_with_version(5) + elsewhere + last, 7, most=100)
        assert (_values(found), found.end) == (WHOLE, 10)
    assert [r.offset for r in read_on(_with_version(7) + NEXT + more, 7, most=4).records] == [7, 8, 9, 10]
    assert [r.offset for r in read_on(_with_version(7) + NEXT + more, 7, most=5).records] == [7, 8, 9, 10, 11, 12]


def test_of_many_batches_each_is_looked_at_once(monkeypatch):
    """A megabyte has thousands: were all behind each of them looked at, reading would take longer than a member may be silent."""
    looks = 0
    head_at = stored_batch.head_at

    def counted(raw, at):
        nonlocal looks
        looks += 1
        return head_at(raw, at)

    monkeypatch.setattr(stored_batch, "head_at", counted)
    behind = b"".join(batch(10 + at, [b"one"]) for at in range(300))
    found = read_on(_with_length(1 << 30) + behind, 7, most=1_000)
    assert (found.end, len(found.records)) == (310, 303)
    assert looks < 10 * 300


def _with_attributes(raw, bits):
    made = bytearray(raw)
    struct.pack_into(">h", made, 21, bits)
    return checked(bytes(made))


def test_it_is_found_behind_the_batches_before_it():
    """Where the broker does not find it, it gives it along with what lies before; those are left out, and have to be sound."""
    before = batch(4, [b"x"]) + batch(5, [b"y", b"z"])
    found = read_behind(before + _with_length(2**31 - 1) + NEXT, 7, most=100)
    assert [record.offset for record in found.records] == [7, 8, 9, 10]
    assert (found.end, found.mended) == (11, True)
    for raw in (
        before + FIRST + NEXT,
        before + rotten(FIRST) + NEXT,
        before,
        before[:-1],
        rotten(before, 136) + _with_length(3) + NEXT,
        _with_length(9, batch(4, [b"x", b"y", b"z"])) + _with_length(3) + NEXT,
        b"",
    ):
        assert read_behind(raw, 7, most=100) is None


@pytest.mark.parametrize("bits", [0x10, 0x20, 0x30])
def test_a_batch_of_a_transaction_is_not_read_so(bits):
    """It may have been aborted, or be a marker: held."""
    assert read_on(_with_length(5, _with_attributes(FIRST, bits)) + NEXT, 7, most=100) is None


def test_behind_any_other_batch_nothing_is_read():
    """The client reads on there by itself."""
    for raw in (FIRST, rotten(FIRST)):
        assert read_on(raw + NEXT, 7, most=100) == read_batch(raw + NEXT, 7)
        assert read_on(raw + NEXT, 7, most=100).end == 10
    assert read_on(b"", 7, most=100) is None


def test_a_record_that_is_broken_is_set_aside_of_a_mended_batch_too():
    """Its neighbours are read; the checksum is right."""
    raw = bytearray(batch(7, [b"one", b"two"], headers=[("ZZZZ", b"v")]))
    at = raw.index(b"ZZZZ")
    raw[at : at + 4] = b"\xff\xfe\xfd\xfc"
    found = read_batch(_with_length(-1, checked(bytes(raw))), 7)
    assert [bool(record.unreadable) for record in found.records] == [True, False]


def test_the_checksum_is_that_of_the_format():
    """What the tests change is not covered by it."""
    assert struct.unpack_from(">I", FIRST, 17)[0] == calc_crc32c(_with_version(9, _with_length(3))[21:])
