"""Batches and records where they should be: what the client's parser would skip without a word keeps reading from going on."""

import struct

import pytest
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords
from fetched_batches import Held, batch, checked

from bridge.kafka.batches import batches_in_place
from bridge.kafka.batches.batches_in_place import BatchesInPlace, BatchInOrder, passed_before

P0 = ("t", 0)
_FIRST_DELTA = 64
"""Where a batch that is not compressed has the offset of its first record; the next ones follow at this distance."""
_RECORD = 10


def _numbered(base, deltas):
    """A batch of one record each with these offsets, as its producer has numbered them: the checksum is right."""
    made = bytearray(batch(base, [b"v%d" % at for at in range(len(deltas))]))
    for at, delta in enumerate(deltas):
        made[_FIRST_DELTA + at * _RECORD] = delta * 2
    return checked(bytes(made))


def _offsets(taken):
    return [row.offset for row in taken.rows]


@pytest.mark.parametrize(
    ("deltas", "given"),
    [
        ([0, 0, 0, 0], [0]),
        ([0, 1, 1, 2], [0, 1]),
        ([0, 1, 3, 2], [0, 1, 3]),
        ([0, 40, 2, 3], [0]),
        ([0, 1, 2, 40], [0, 1, 2]),
        ([1, 0, 2, 3], [1]),
    ],
)
async def test_records_that_the_parser_would_skip_are_held(deltas, given):
    """A producer that numbers them wrongly is believed by brokers; those behind the first wrong one come once it is mended or set aside."""
    held = Held(P0)
    held.receive(P0, _numbered(0, deltas), batch(4, [b"next"]))
    taken = held.client.poll(P0, 100)
    assert (_offsets(taken), taken.end, taken.damaged) == (given, given[-1] + 1, True)
    assert isinstance(taken.error, CorruptRecordException)


async def test_records_that_compaction_has_left_are_in_order():
    """They keep their offsets, with gaps between."""
    held = Held(P0)
    made = bytearray(_numbered(0, [1, 4, 6]))
    made[26] = 9
    held.receive(P0, checked(bytes(made)), batch(10, [b"next"]))
    taken = held.client.poll(P0, 100)
    assert (_offsets(taken), taken.start, taken.end, taken.error) == ([1, 4, 6, 10], 0, 11, None)


@pytest.mark.parametrize("run", [1, 2, 3, 4, 5])
async def test_a_batch_is_looked_at_by_runs(monkeypatch, run):
    """Whatever their length: a batch may have more records than there is memory for at once, and order holds across runs."""
    monkeypatch.setattr(batches_in_place, "_RUN", run)
    held = Held(P0)
    held.receive(P0, batch(0, [b"a"] * 4), _numbered(4, [0, 1, 2, 2]))
    taken = held.client.poll(P0, 100)
    assert (_offsets(taken), taken.damaged) == ([*range(7)], True)
    bad = checked(batch(7, [b"a", b"b"], headers=[("ZZZZ", b"v")]).replace(b"ZZZZ", b"\xff\xfe\xfd\xfc"))
    held.receive(P0, batch(7, [b"a"]), bad[:7] + b"\x08" + bad[8:])
    taken = held.client.poll(P0, 100)
    assert (_offsets(taken), type(taken.error)) == ([7], UnicodeDecodeError)


async def test_a_batch_that_claims_offsets_of_the_next_one_has_to_have_them():
    """Its own number of offsets is covered by a checksum that its writer has made; one record for each of them shows that the next is wrong."""
    held = Held(P0)
    made = bytearray(batch(0, [b"a", b"b"]))
    made[26] = 30
    held.receive(P0, checked(bytes(made)), batch(2, [b"c"]))
    taken = held.client.poll(P0, 100)
    assert (_offsets(taken), taken.end, taken.damaged) == ([0, 1], 2, True)


async def test_what_is_no_batch_holds_nothing_of_what_stands_before_it():
    """A length that is too short for any batch: the sound one in front of it comes, and the place that is told is the next."""
    held = Held(P0)
    held.receive(P0, batch(0, [b"a", b"b"]), b"\0" * 11 + b"\5" + b"\0" * 5)
    taken = held.client.poll(P0, 100)
    assert (_offsets(taken), taken.end, taken.damaged) == ([0, 1], 2, True)
    held.receive(P0, b"\0" * 11 + b"\5" + b"\0" * 5)
    assert isinstance(held.client.poll(P0, 100).error, CorruptRecordException)


@pytest.mark.parametrize(
    ("ends", "given"), [((20, 20), []), ((9, 20), [7, 8]), ((9, 9), [7, 8]), ((None, None), [7, 8])]
)
async def test_a_batch_further_on_that_nothing_bears_out_waits_for_the_next_fetch(ends, given):
    """Missing offsets are believed where the next batch, or an end of the log, shows that it is not the batch's own offset that is wrong."""
    held = Held(P0)
    state = held.subscriptions.subscription.assignment.state_value(held.partitions[0])
    state.lso, state.highwater = ends
    held.receive(P0, batch(0, [b"a", b"b"]), batch(7, [b"c", b"d"]))
    taken = held.client.poll(P0, 100)
    assert (_offsets(taken), taken.error) == ([0, 1, *given], None)
    if not given:
        held.receive(P0, batch(7, [b"c", b"d"]))
        found = held.client.poll(P0, 100)
        assert (_offsets(found), list(found.gaps)) == ([7, 8], [(2, 7)]), "the last one of a segment is alone"


async def test_one_further_on_is_judged_by_those_behind_it():
    """In the next fetch, where they are: its own offset is wrong where it seems to reach into them."""
    held = Held(P0)
    state = held.subscriptions.subscription.assignment.state_value(held.partitions[0])
    state.lso = state.highwater = 20
    held.receive(P0, batch(0, [b"a", b"b"]), batch(7, [b"c", b"d"]))
    assert _offsets(held.client.poll(P0, 100)) == [0, 1]
    held.receive(P0, batch(7, [b"c", b"d"]), batch(4, [b"e"]))
    assert held.client.poll(P0, 100).damaged
    held.receive(P0, batch(7, [b"c", b"d"]), batch(9, [b"e"] * 11))
    found = held.client.poll(P0, 100)
    assert (_offsets(found), list(found.gaps)) == ([*range(7, 20)], [(2, 7)])


async def test_where_a_batch_has_ended_none_is_under_way():
    """A batch that seems to begin before that is damaged, though it seems to have the position in it."""
    held = Held(P0)
    held.receive(P0, batch(0, [b"a", b"b", b"c"]))
    assert _offsets(held.client.poll(P0, 2)) == [0, 1]
    assert _offsets(held.client.poll(P0, 100)) == [2]
    held.receive(P0, batch(1, [b"d"] * 4))
    assert held.client.poll(P0, 100).damaged
    held.client.seek(P0, 2)
    held.receive(P0, batch(1, [b"d"] * 4))
    assert _offsets(held.client.poll(P0, 100)) == [2, 3, 4], "sought: it may be the midst of one"


@pytest.mark.parametrize("damaged", [b"\0" * 11 + b"\5" + b"\0" * 5, batch(1 << 40, [b"d"] * 4) + batch(5, [b"e"])])
async def test_a_batch_that_could_not_be_read_has_ended_nowhere(damaged):
    """Committed in its midst: once the broker gives it whole, from a mended disk or another replica, it is read on."""
    held = Held(P0)
    held.seek(held.partitions[0], 2)
    held.receive(P0, damaged)
    assert held.client.poll(P0, 100).damaged
    held.client.seek(P0, 2)
    held.receive(P0, batch(1, [b"d"] * 4), batch(5, [b"e"]))
    taken = held.client.poll(P0, 100)
    assert (_offsets(taken), taken.error) == ([2, 3, 4, 5], None)


@pytest.mark.parametrize(
    ("spans", "position", "count"),
    [
        ([(0, 10)], 0, 0),
        ([(0, 10), (10, 20)], 5, 0),
        ([(0, 10), (12, 20)], 5, 0),
        ([(255, 265), (10, 20)], 10, 1),
        ([(255, 265), (10, 20), (20, 30)], 25, 2),
        ([(255, 265), (10, 20), (20, 30)], 15, 1),
        ([(255, 265), (10, 20), (25, 30)], 15, 0),
        ([(255, 265), (10, 20)], 15, 0),
        ([(255, 265), (10, 20), (20, 30)], 30, 0),
        ([(12, 22), (10, 20), (20, 30)], 15, 1),
        ([(12, 22), (10, 20), (20, 30)], 20, 2),
        ([(20, 30), (16, 26), (40, 50)], 20, 0),
        ([(20, 30), (16, 26), (40, 50)], 25, 0),
        ([(255, 265), (254, 264), (20, 30)], 20, 2),
        ([(0, 10)], 5, 0),
        ([(0, 10), (10, 20)], 10, 1),
        ([(0, 10), (5, 15)], 5, 1),
        ([(5, 10), (10, 20)], 15, 0),
        ([(0, 10), (10, 20), (3, 8), (8, 12)], 5, 0),
    ],
)
def test_only_what_certainly_lies_before_the_position_is_left_out(spans, position, count):
    """One that begins at the position, or beside which another stands just where it should, shows what lies before it."""
    assert passed_before(spans, position) == count


async def test_what_follows_at_once_comes_with_the_same_fetch():
    """Where the log goes on behind it, too: it stands where reading goes on, and needs no witness."""
    held = Held(P0)
    state = held.subscriptions.subscription.assignment.state_value(held.partitions[0])
    state.lso = state.highwater = 20
    held.receive(P0, batch(0, [b"a", b"b"]), batch(2, [b"c", b"d"]))
    assert _offsets(held.client.poll(P0, 100)) == [0, 1, 2, 3]


async def test_a_batch_without_an_offset_is_damaged():
    """Its last record is said to lie before its first one."""
    held = Held(P0)
    held.client.seek(P0, 3)
    made = bytearray(batch(3, [b"a"]))
    made[23:27] = (-1).to_bytes(4, "big", signed=True)
    held.receive(P0, checked(bytes(made)), batch(3, [b"b"]))
    taken = held.client.poll(P0, 100)
    assert (_offsets(taken), taken.end, taken.damaged) == ([], 3, True)


def _spanning(base, end):
    """A batch of two records that says to have these offsets, from ``base`` to before ``end``."""
    made = bytearray(batch(base, [b"a", b"b"]))
    struct.pack_into(">i", made, 23, end - base - 1)
    return checked(bytes(made))


class _Counted:
    """Batches as the parser gives them, and how many it has given."""

    def __init__(self, *spans):
        self._records = MemoryRecords(b"".join(_spanning(*span) for span in spans))
        self.has_next = self._records.has_next
        self.given = 0

    def next_batch(self):
        self.given += 1
        return self._records.next_batch()


def _in_place(spans, position, *ends, midst=False):
    """Spans of the batches that are given from the position on, and whether one was damaged behind them."""
    batches, given = BatchesInPlace(_Counted(*spans), position, *ends, midst=midst), []
    try:
        while batches.has_next():
            found = batches.next_batch()
            given.append((found.base_offset, found.next_offset))
    except CorruptRecordException:
        return given, True
    return given, False


@pytest.mark.parametrize(
    ("spans", "position", "ends", "given"),
    [
        ([(-2, 8)], 3, (), []),
        ([(0, 3)], 3, (), []),
        ([(3, 3)], 0, (), []),
        ([(0, 6)], 0, (5, 5), []),
        ([(0, 3), (3, 9)], 0, (8, None), [(0, 3)]),
        ([(4, 8), (6, 9)], 0, (), []),
        ([(0, 4), (4, 8), (2, 6)], 0, (), [(0, 4), (4, 8)]),
    ],
)
def test_a_batch_that_is_not_in_its_place_is_damage(spans, position, ends, given):
    """Below the first offset, before the position, without an offset, behind the end of the log, or reaching into the next one."""
    assert _in_place(spans, position, *ends, midst=True) == (given, True)


@pytest.mark.parametrize(
    ("spans", "position", "ends", "given"),
    [
        ([(0, 6)], 0, (3, 6), [(0, 6)]),
        ([(4, 6), (6, 8)], 0, (), [(4, 6), (6, 8)]),
        ([(0, 2), (7, 9), (9, 11)], 0, (20, 20), [(0, 2), (7, 9), (9, 11)]),
        ([(0, 2), (7, 9)], 0, (9, 20), [(0, 2), (7, 9)]),
        ([(0, 2), (7, 9)], 0, (20, 20), [(0, 2)]),
        ([(100, 103), (3, 6)], 3, (), [(3, 6)]),
        ([(0, 3), (3, 6)], 3, (), [(3, 6)]),
        ([(5, 8), (20, 30)], 20, (), [(20, 30)]),
        ([(2, 5), (3, 6)], 3, (), [(3, 6)]),
        ([(100, 103), (10, 20), (20, 30)], 25, (), [(20, 30)]),
    ],
)
def test_what_is_in_its_place_is_given_behind_what_was_passed(spans, position, ends, given):
    """Up to either end that is known, with gaps that the next batch bears out, and from the midst of a batch."""
    assert _in_place(spans, position, *ends, midst=True) == (given, False)


def test_of_a_fetch_in_order_only_the_next_batch_is_looked_at():
    """A fetch may bring thousands: they are not kept all at once."""
    counted = _Counted(*((at, at + 2) for at in range(0, 20, 2)))
    batches = BatchesInPlace(counted, 0, 20, 20, midst=False)
    looked = []
    while batches.has_next():
        batches.next_batch()
        looked.append(counted.given)
    assert looked == [2, 3, 4, 5, 6, 7, 8, 9, 10, 10]


async def test_records_behind_the_last_offset_of_their_batch_are_held():
    """They would come once more with the batch that has these offsets."""
    held = Held(P0)
    made = bytearray(batch(0, [b"a"] * 4))
    made[26] = 1
    held.receive(P0, checked(bytes(made)), batch(2, [b"c"]))
    taken = held.client.poll(P0, 100)
    assert (_offsets(taken), taken.end, taken.damaged) == ([0, 1], 2, True)


def test_a_batch_whose_end_is_not_in_doubt_need_not_have_a_record_there():
    """Compaction may have left none; only where it seems to reach into the next one is it damage."""
    made = [MemoryRecords(_spanning(0, 9)).next_batch() for _ in range(2)]
    assert [record.offset for record in BatchInOrder(made[0])] == [0, 1]
    with pytest.raises(CorruptRecordException):
        list(BatchInOrder(made[1], whole=True))
