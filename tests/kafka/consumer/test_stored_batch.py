"""One stored batch, damaged in every way: what is sound comes out, and nothing is passed that cannot be told for certain."""

import struct

import pytest
from fetched_batches import batch, checked, rotten
from hypothesis import given
from hypothesis import strategies as st

from bridge.kafka.consumer.client.stored_batch import read_batch

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


OLD = struct.pack(">qiIbbq", 0, 40, 0, 1, 0, 1_700_000_000_000) + struct.pack(">i5si17s", 5, b"a key", 17, b"v" * 17)


@pytest.mark.parametrize("raw", [b"", b"\0" * 60, b"\0" * 61, batch(0, VALUES)[:-1], OLD, OLD * 3])
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


def _number(value, *, size=1):
    """As Kafka writes a number, in ``size`` bytes at least."""
    number, made = (value << 1) ^ (value >> 63), bytearray()
    while number >= 0x80 or len(made) + 1 < size:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])


def _text(value):
    return _number(-1) if value is None else _number(len(value)) + value


def _row(delta, *parts, time=0):
    """One record in its frame: its parts are what follows the offset."""
    body = b"\0" + _number(time) + _number(delta) + b"".join(parts)
    return _number(len(body)) + body


def _by_hand(rows, *, count=None, last=None, attributes=0, length=None):
    """A batch of base 7 with a right checksum around what is given."""
    body = b"".join(rows)
    count = len(rows) if count is None else count
    last = len(rows) - 1 if last is None else last
    length = 49 + len(body) if length is None else length
    head = struct.pack(">qiibIhiqqqhii", 7, length, -1, 2, 0, attributes, last, 1_000, 5_000, -1, -1, -1, count)
    return checked(head + body)


SOUND = (_text(b"k"), _text(b"v"), _number(0))


def test_a_batch_that_compaction_has_emptied_accounts_for_its_offsets():
    """It has a header and nothing else; and one that has a single record left has that."""
    found = read_batch(_by_hand([], last=4), 8)
    assert (found.records, found.end) == ((), 12)
    (record,) = read_batch(_by_hand([_row(0, *SOUND)]), 7).records
    assert (record.offset, record.last, record.value, record.unreadable) == (7, 7, b"v", "")


def test_nothing_is_said_of_numbers_that_cannot_be():
    """A batch shorter than its own header whose checksum holds for no length, or with less records than none."""
    assert read_batch(rotten(_by_hand([_row(0, *SOUND)], length=48)), 7) is None
    assert read_batch(_by_hand([_row(0, *SOUND)], count=-1), 7) is None


def test_a_witness_has_to_be_there_whole_and_behind_what_is_asked():
    """Half a header says nothing, and one that is cut off is none either; a batch that begins at the asked offset is the asked one."""
    damaged = bytearray(batch(7, VALUES))
    struct.pack_into(">i", damaged, 23, 900)
    for following in (batch(10, VALUES)[:40], batch(10, VALUES)[:-1]):
        assert read_batch(bytes(damaged) + following, 7) is None
    assert [record.offset for record in read_batch(bytes(damaged) + batch(10, VALUES), 10).records] == [10, 11, 12]


@pytest.mark.parametrize(("offset", "end"), [(6, None), (7, 10), (9, 10), (10, None), (11, None)])
def test_a_damaged_batch_alone_answers_for_its_own_offsets(offset, end):
    """Its numbers agree, and the asked offset is one of its own; what is set aside has no time."""
    found = read_batch(rotten(batch(7, VALUES)), offset)
    assert (found and found.end) == end
    assert found is None or [(record.timestamp, record.last) for record in found.records] == [(0, 9)]


def test_the_brokers_time_is_that_of_the_batch():
    """With ``message.timestamp.type=LogAppendTime`` each record has the time at which the batch was stored."""
    rows = [_row(0, *SOUND, time=3)]
    assert [record.timestamp for record in read_batch(_by_hand(rows), 7).records] == [1_003]
    assert [record.timestamp for record in read_batch(_by_hand(rows, attributes=8), 7).records] == [5_000]


def test_a_batch_that_counts_more_records_than_it_has_offsets_gives_those_it_has():
    """All offsets are accounted for by then: nothing is made up for the one that is missing."""
    found = read_batch(_by_hand([_row(0, *SOUND), _row(1, *SOUND)], count=3), 7)
    assert [(record.offset, record.unreadable) for record in found.records] == [(7, ""), (8, "")]


@pytest.mark.parametrize("broken", [_row(0, *SOUND), _row(3, *SOUND), b"\0", b"\x09", _number(60) + b"short"])
def test_behind_a_frame_that_cannot_be_the_rest_is_one_piece(broken):
    """An offset twice or beyond the batch, a length of nothing or below, one beyond the end: the first record stays sound."""
    found = read_batch(_by_hand([_row(0, *SOUND), broken, _row(2, *SOUND)]), 7)
    assert [(record.offset, record.last, record.timestamp) for record in found.records] == [(7, 7, 1_000), (8, 9, 0)]
    assert [record.unreadable for record in found.records] == ["", "the batch is broken from here on"]
    assert found.records[1].value == broken + _row(2, *SOUND)


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ((_text(b"k"), _number(5) + b"v", _number(0)), "its key or value is broken"),
        ((_number(1, size=11) + b"k", _text(b"v"), _number(0)), "its key or value is broken"),
        ((*SOUND[:2], _number(1), _text(None), _text(b"v")), "its headers are broken"),
        ((*SOUND[:2], _number(1), _text(b"\xff"), _text(b"v")), "the name of a header is not UTF-8"),
        ((*SOUND, b"more"), "its headers are broken"),
    ],
)
def test_what_is_wrong_with_one_record_is_said_of_it_alone(parts, why):
    """Longer than the record, a number that is none, a header without a name or with a foreign one, bytes that are left."""
    found = read_batch(_by_hand([_row(0, *parts), _row(1, *SOUND)]), 7)
    assert [(record.offset, record.last, record.unreadable) for record in found.records] == [(7, 7, why), (8, 8, "")]


def test_numbers_of_every_length_are_read():
    """One byte or ten, and a length whose lowest bits are zero."""
    rows = [_row(0, _text(b"k" * 64), _text(None), _number(0), time=(1 << 62) - 1_000), _row(1, *SOUND, time=-2)]
    first, second = read_batch(_by_hand(rows), 7).records
    assert (first.key, first.value, first.timestamp, second.timestamp) == (b"k" * 64, None, 1 << 62, 998)
    (record,) = read_batch(_by_hand([_row(0, _number(1, size=10) + b"k", *SOUND[1:])]), 7).records
    assert (record.key, record.unreadable) == (b"k", "")


@pytest.mark.parametrize("base", [-1, -(2**56), 7 + 255, 3])
def test_a_batch_that_is_not_where_it_stands_ends_where_the_next_begins(base):
    """No checksum covers its offset: the next batch tells how far it reaches, and without one nothing is passed."""
    moved = struct.pack(">q", base) + batch(7, VALUES)[8:]
    found = read_batch(moved + batch(10, VALUES), 7)
    (record,) = found.records
    assert (record.offset, record.last, found.end, record.value) == (7, 9, 10, moved)
    assert record.unreadable == "of its batch its offset is damaged"
    assert read_batch(moved, 7) is None


def test_a_rotten_number_of_records_does_not_hide_where_the_batch_ends():
    """The next batch tells, whatever the number has become."""
    damaged = bytearray(batch(7, VALUES))
    struct.pack_into(">i", damaged, 57, -5)
    assert read_batch(bytes(damaged) + batch(10, VALUES), 7).end == 10
    assert read_batch(bytes(damaged), 7) is None


def _moved(base, raw):
    return struct.pack(">q", base) + raw[8:]


def _told(found):
    return [(record.offset, record.last, bool(record.unreadable)) for record in found.records], found.end


def test_a_whole_batch_at_the_asked_offset_is_read_whatever_stands_behind_it():
    """It is the next one whose offset is damaged, as this one begins there and has a record for each of its own."""
    for base in (8, 9, -1):
        found = read_batch(batch(7, VALUES) + _moved(base, batch(10, VALUES)), 7)
        assert _told(found) == ([(7, 7, False), (8, 8, False), (9, 9, False)], 10)


@pytest.mark.parametrize("behind", [b"", batch(12, VALUES), batch(20, VALUES)])
def test_what_compaction_has_left_of_a_batch_is_read(behind):
    """Alone, before the next one, and before a gap."""
    found = read_batch(_by_hand([_row(0, *SOUND), _row(2, *SOUND)], last=4) + behind, 7)
    assert _told(found) == ([(7, 7, False), (9, 9, False)], 12)


def test_from_its_midst_a_batch_is_read_where_the_next_one_bears_out_its_offset():
    """Else it may begin elsewhere, and is one piece up to the next one."""
    made = _by_hand([_row(0, *SOUND), _row(2, *SOUND)], last=4)
    assert _told(read_batch(made + batch(12, VALUES), 8)) == ([(9, 9, False)], 12)
    assert _told(read_batch(made + batch(20, VALUES), 8)) == ([(8, 19, True)], 20)
    assert _told(read_batch(made, 8)) == ([(9, 9, False)], 12)


def test_a_batch_that_claims_more_offsets_than_it_has_ends_where_the_next_begins():
    """Its writer's fault: the checksum holds."""
    found = read_batch(_by_hand([_row(0, *SOUND), _row(1, *SOUND)], last=30) + batch(9, VALUES), 7)
    assert _told(found) == ([(7, 8, True)], 9)


def test_bytes_behind_the_counted_records_are_set_aside():
    """With all offsets that are left; without one there is nothing that they could stand for."""
    rows = [_row(0, *SOUND), _row(1, *SOUND), _row(2, *SOUND)]
    found = read_batch(_by_hand(rows, count=2, last=4), 7)
    assert _told(found) == ([(7, 7, False), (8, 8, False), (9, 11, True)], 12)
    assert (found.records[2].timestamp, found.records[2].value) == (0, rows[2])
    assert _told(read_batch(_by_hand(rows, count=2, last=4), 10)) == ([(10, 11, True)], 12)
    assert _told(read_batch(_by_hand(rows, count=2, last=1), 7)) == ([(7, 7, False), (8, 8, False)], 9)


def test_a_batch_that_was_set_aside_is_not_read_in_the_place_of_sound_ones():
    """The broker gives it first, as its damaged offset seems to be the asked one or to lie further on."""
    for base in (11, 255):
        passed = _moved(base, batch(7, VALUES))
        for offset in (10, 12):
            found = read_batch(passed + batch(10, VALUES) + batch(13, VALUES), offset)
            assert _told(found) == ([(each, each, False) for each in range(offset, 13)], 13)
        assert read_batch(passed + batch(10, VALUES) + batch(13, VALUES)[:-1], 12) is None


EMPTIED = _by_hand([], last=4)
"""Offsets 7 to 11, of which compaction has left nothing: no batch is shorter."""


def test_the_shortest_batch_is_sound_and_a_witness():
    """Its length is no damage, it tells where a damaged one before it ends, and stands between others where they are passed."""
    assert not read_batch(EMPTIED, 7).mended
    damaged = bytearray(batch(4, VALUES))
    struct.pack_into(">i", damaged, 23, 900)
    assert _told(read_batch(bytes(damaged) + EMPTIED, 4)) == ([(4, 6, True)], 7)
    found = read_batch(_moved(255, batch(4, VALUES)) + EMPTIED + batch(12, VALUES), 9)
    assert (found.records, found.end, found.size) == ((), 12, len(batch(4, VALUES) + EMPTIED))
