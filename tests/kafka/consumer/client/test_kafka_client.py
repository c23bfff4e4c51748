"""What is taken out of aiokafka's consumer, partition by partition, and where does its position stand then?"""

from aiokafka.errors import CorruptRecordException
from fetched_batches import P0, P1, Held, batch, checked, offsets_taken


async def test_one_partition_is_taken_out_alone():
    """What was received of the other stays where it is, and so does the position of its reader."""
    held = Held(P0, P1)
    held.receive(P0, batch(0, [b"a", b"b"]))
    held.receive(P1, batch(0, [b"c"]))
    assert held.client.holds() == [P0, P1]
    taken = held.client.poll(P0, 10)
    assert (offsets_taken(taken), taken.start, taken.end, taken.error) == ([0, 1], 0, 2, None)
    assert not taken.damaged
    assert held.client.holds() == [P1]
    assert (held.client.position(P0), held.client.position(P1)) == (2, 0)
    assert held.client.poll(P0, 10) is None


async def test_records_have_what_is_read_of_them():
    """Key, value, headers, offset and timestamp, whatever kind of record it is."""
    held = Held(P0)
    held.receive(P0, batch(5, [b"a"], headers=[("h", b"v")]))
    (row,) = held.client.poll(P0, 1).rows
    assert (row.key, row.value, list(row.headers), row.offset) == (b"k", b"a", [("h", b"v")], 5)
    assert row.timestamp == 1_700_000_000_000


async def test_a_part_is_taken_and_the_rest_stays():
    """The bound holds in the middle of a batch, and the next take goes on behind it."""
    held = Held(P0)
    held.receive(P0, batch(0, [b"a", b"b", b"c"]))
    assert offsets_taken(held.client.poll(P0, 2)) == [0, 1]
    assert held.client.position(P0) == 2
    assert offsets_taken(held.client.poll(P0, 2)) == [2]
    assert held.client.holds() == []


async def test_nothing_is_taken_of_a_paused_partition():
    """Its records were received before it was paused; they are fetched anew later."""
    held = Held(P0)
    held.receive(P0, batch(0, [b"a"]))
    held.client.pause(held.partitions[0])
    assert held.client.poll(P0, 10) is None
    assert held.client.position(P0) == 0
    assert held.client.holds() == [], "dropped"
    held.client.resume(P0)
    held.receive(P0, batch(0, [b"a", b"b"]))
    assert offsets_taken(held.client.poll(P0, 1)) == [0]
    held.client.seek(P0, 0)
    held.receive(P0, batch(0, [b"a", b"b"]))
    assert offsets_taken(held.client.poll(P0, 10)) == [0, 1]


async def test_what_has_nothing_left_is_dropped():
    """The client would not fetch the partition again while it holds it."""
    held = Held(P0)
    held.receive(P0, batch(0, [b"a"]))
    found = held.fetcher._records[held.partitions[0]]
    found.check_assignment = lambda _partition: True
    found._partition_records = None
    assert held.client.poll(P0, 10) is None
    assert held.client.holds() == []


async def test_gaps_and_batches_begun_before_are_no_damage():
    """What compaction leaves, a fetch from the midst of a batch, and a first batch further on are read as ever."""
    held = Held(P0)
    state = held.subscriptions.subscription.assignment.state_value(held.partitions[0])
    state.highwater = 20
    held.client.seek(P0, 1)
    held.receive(P0, batch(0, [b"a", b"b"]), batch(7, [b"c"]), batch(19, [b"d"]))
    first = held.client.poll(P0, 1)
    assert (offsets_taken(first), list(first.gaps)) == ([1], [])
    rest = held.client.poll(P0, 10)
    assert (offsets_taken(rest), list(rest.gaps)) == ([7, 19], [(2, 7), (8, 19)])
    held.receive(P0, batch(30, [b"e"]))
    assert isinstance(held.client.poll(P0, 10).error, CorruptRecordException)
    state.highwater = 31
    held.receive(P0, batch(30, [b"e"]))
    assert offsets_taken(held.client.poll(P0, 10)) == [30]


async def test_between_two_assignments_nothing_is_held():
    """What was received may be another member's by then."""
    held = Held(P0)
    held.receive(P0, batch(0, [b"a"]))
    type(held.subscriptions).reassignment_in_progress, before = (
        property(lambda _self: True),
        type(held.subscriptions).reassignment_in_progress,
    )
    try:
        assert not held.client.holds()
    finally:
        type(held.subscriptions).reassignment_in_progress = before
    assert held.client.holds() == [P0]


async def test_nothing_is_known_of_a_partition_that_is_not_assigned():
    """Nor of one whose position is being asked for."""
    held = Held(P0)
    assert held.client.position(P1) is None
    held.subscriptions.subscription.assignment.state_value(held.partitions[0]).await_reset(-2)
    assert held.client.position(P0) is None


async def test_records_of_an_aborted_transaction_are_accounted_for_without_being_given():
    """The client passes over them, and so does its position."""
    held = Held(P0)
    made = bytearray(batch(0, [b"a", b"b"]))
    made[22] |= 0x10
    made[43:51] = (77).to_bytes(8, "big")
    held.receive(P0, checked(bytes(made)), batch(2, [b"c"]), aborted=[(77, 0)])
    taken = held.client.poll(P0, 10)
    assert (offsets_taken(taken), taken.start, taken.end) == ([2], 0, 3)
