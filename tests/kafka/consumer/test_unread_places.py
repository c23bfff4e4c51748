"""Places that cannot be read: when they are tried again, and when silence is told."""

import pytest
from aiokafka.errors import (
    CorruptRecordException,
    KafkaConnectionError,
    NotLeaderForPartitionError,
    StaleMetadata,
    UnknownError,
)

from bridge.kafka.consumer.client.kafka_client import Offsets, PolledRecords
from bridge.kafka.consumer.client.unread_places import Unreadable, UnreadPlaces

P0 = ("t", 0)
FAILED = PolledRecords((), 4, 4, CorruptRecordException(), damaged=True)


class _Client:
    """Notes what is asked of it."""

    def __init__(self, raw=b""):
        self.asked, self.answer = [], raw

    def pause(self, partition):
        self.asked.append(("pause", partition))

    def resume(self, partition):
        self.asked.append(("resume", partition))

    def seek(self, partition, offset):
        self.asked.append(("seek", partition, offset))

    async def raw(self, partition, offset):
        self.asked.append(("raw", partition, offset))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class _Places:
    def __init__(self, raw=b""):
        self.now = 100.0
        self.client = _Client(raw)
        self.places = UnreadPlaces(self.client, lambda: self.now)

    @property
    def raws(self):
        """How the broker was asked for what it has stored."""
        return [asked for asked in self.client.asked if asked[0] == "raw"]

    def fetched(self, now, *partitions):
        """What a fetch of these partitions asks of the client first."""
        self.now, before = float(now), len(self.client.asked)
        self.places.try_again(set(partitions))
        return self.client.asked[before:]

    async def look(self, now, position=3, *, end=9, giving=(), still=True):
        self.now = float(now)
        await self.places.look_into_silence({P0: Offsets(0, 0, end, position)}, giving, lambda: still)
        return self.places.all()


def test_a_place_is_fetched_anew_once_a_try():
    """When its pause is over and not before, from where it could not be read; then it waits for what comes."""
    places = _Places()
    places.places.hold(P0, FAILED)
    for now in (100.9, 101.0, 101.1, 150.0):
        places.now = now
        places.places.try_again({P0})
    assert places.client.asked == [("pause", P0), ("resume", P0), ("seek", P0, 4)]


def test_a_place_that_is_read_by_other_means_is_left():
    """The client goes on behind it."""
    places = _Places()
    places.places.hold(P0, FAILED)
    places.places.passed(P0, 7)
    assert places.client.asked == [("pause", P0), ("resume", P0), ("seek", P0, 7)]
    assert places.places.all() == {}


async def test_nothing_is_told_of_silence_that_was_read_by_other_means():
    """Nor does it rest any more; and where it stood counts for nothing, though a look has asked for it before."""
    places = _Places(CorruptRecordException())
    await places.look(100)
    assert set(await places.look(130)) == {P0}
    places.places.passed(P0, 7)
    assert places.places.all() == {}
    assert places.fetched(158, P0) == []
    assert await places.look(161, position=3) == {}
    assert len(places.raws) == 1


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"records", "the broker gives records, the client does not"),
        (b"", "the broker gives no records"),
        (CorruptRecordException(), "CorruptRecordException"),
    ],
)
async def test_silence_of_half_a_minute_is_told_with_what_the_broker_says(raw, why):
    """It is asked at the position, and again after another half minute; what moves on is silent no more."""
    places = _Places(raw)
    told = {P0: Unreadable(P0, 3, why, 3)}
    assert await places.look(100) == {}
    assert await places.look(129.9) == {}
    assert await places.look(130) == told
    assert await places.look(159) == told
    assert places.raws == [("raw", P0, 3)]
    await places.look(160)
    assert len(places.raws) == 2
    assert await places.look(161, position=4) == {}
    assert await places.look(190, position=4) == {}
    assert set(await places.look(191, position=4)) == {P0}


async def test_what_the_broker_refuses_is_not_asked_for_all_the_time():
    """The client would fetch it without a pause: it rests for most of half a minute, and is tried again where it is admitted."""
    places = _Places(CorruptRecordException())
    await places.look(100)
    await places.look(130)
    assert places.client.asked == [("raw", P0, 3), ("pause", P0)]
    assert places.fetched(157.9, P0) == []
    assert places.fetched(158, ("t", 1)) == []
    assert places.fetched(158, P0) == [("resume", P0)]
    assert places.fetched(159, P0) == []
    await places.look(160)
    assert places.client.asked[-2:] == [("raw", P0, 3), ("pause", P0)]
    places.places.clear()
    assert places.fetched(300, P0) == []


@pytest.mark.parametrize(
    "raw", [b"", b"records", NotLeaderForPartitionError(), StaleMetadata(), KafkaConnectionError()]
)
async def test_what_the_broker_does_not_refuse_goes_on_being_fetched(raw):
    """Its fetches wait at the broker, or bring something; and a leader that moves, or a broker that is away, may be back at once."""
    places = _Places(raw)
    await places.look(100)
    await places.look(130)
    assert places.client.asked == [("raw", P0, 3)]


@pytest.mark.parametrize("quiet", [{"position": 9}, {"position": None}, {"giving": {P0}}])
async def test_who_has_nothing_to_give_is_not_silent(quiet):
    """Read to the end, position unknown, or records here: from then on half a minute counts anew."""
    places = _Places()
    await places.look(100)
    for now in (129, 160, 200):
        assert await places.look(now, **quiet) == {}
    for now in (201, 230):
        assert await places.look(now) == {}
    assert set(await places.look(231)) == {P0}
    assert await places.look(232, **quiet) == {}


async def test_a_place_that_is_held_is_not_silent():
    """It is told already, with what is wrong."""
    places = _Places()
    places.places.hold(P0, FAILED)
    for now in (100, 131):
        assert [place.why for place in (await places.look(now)).values()] == ["CorruptRecordException"]
    assert places.client.asked == [("pause", P0)]


async def test_an_assignment_that_is_over_tells_nothing_in_the_next():
    """Neither an answer that comes late nor what was told, nor since when it was silent."""
    places = _Places()
    await places.look(100)
    assert await places.look(130, still=False) == {}
    assert set(await places.look(160)) == {P0}
    places.places.clear()
    assert places.places.all() == {}
    assert await places.look(190) == {}
    assert await places.look(219) == {}
    assert set(await places.look(220)) == {P0}


def _pause_after(places, found=FAILED):
    """Seconds until the place is tried again, to a tenth."""
    places.places.hold(P0, found)
    begun, asked = places.now, len(places.client.asked)
    for tenths in range(400):
        places.now = begun + tenths / 10
        places.places.try_again({P0})
        if len(places.client.asked) > asked:
            return tenths / 10
    return None


def test_pauses_double_up_to_half_a_minute():
    """A second first: a replica may be whole again soon, and a disk that is broken is not asked all the time; elsewhere it begins anew."""
    places = _Places()
    assert [_pause_after(places) for _ in range(7)] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert places.places.all()[P0].tries == 7
    assert _pause_after(places, PolledRecords((), 5, 5, CorruptRecordException(), damaged=True)) == 1.0
    assert places.places.all() == {P0: Unreadable(P0, 5, "CorruptRecordException", 1)}
    places.places.read(P0)
    assert places.places.all() == {}
    assert _pause_after(places, PolledRecords((), 5, 5, CorruptRecordException(), damaged=True)) == 1.0


def test_damage_is_looked_into_after_three_tries_once_and_where_it_is_wanted():
    """Not while the client reads it anew, nor where nobody asks for records, nor what is no damage."""
    places = _Places()
    for tries in (1, 2, 3):
        assert list(places.places.to_look_into({P0})) == []
        assert (_pause_after(places) is not None, places.places.all()[P0].tries) == (True, tries)
    assert list(places.places.to_look_into({P0})) == [], "it is being read"
    places.places.hold(P0, FAILED)
    assert list(places.places.to_look_into({("t", 1)})) == []
    assert list(places.places.to_look_into({P0})) == [Unreadable(P0, 4, "CorruptRecordException", 4)]
    assert list(places.places.to_look_into({P0})) == []
    places.places.hold(P0, PolledRecords((), 4, 4, CorruptRecordException()))
    assert list(places.places.to_look_into({P0})) == []


def test_what_is_not_admitted_is_not_tried():
    """Its records would have no place to go."""
    places = _Places()
    places.places.hold(P0, FAILED)
    places.now += 1
    places.places.try_again({("t", 1)})
    assert places.client.asked == [("pause", P0)]


def test_nothing_is_known_of_a_place_whose_log_is_gone():
    """Another topic of the name has come: it is fetched at once, and not read on where the one before could not be read."""
    stage = _Places()
    stage.places.hold(P0, FAILED)
    stage.places.forget(P0)
    assert stage.client.asked == [("pause", P0), ("resume", P0)]
    assert (stage.places.all(), stage.fetched(200, P0)) == ({}, [])


def test_a_try_that_is_under_way_is_not_resumed_twice():
    """The client fetches the partition already."""
    stage = _Places()
    stage.places.hold(P0, FAILED)
    assert stage.fetched(101, P0) == [("resume", P0), ("seek", P0, 4)]
    stage.places.forget(P0)
    assert stage.client.asked[3:] == []
    stage.places.forget(P0)
    assert stage.client.asked[3:] == [], "nothing was held"


async def test_a_partition_that_rests_is_fetched_again_when_its_topic_is_another():
    """What the broker refused was of the log before; silence counts from the beginning."""
    stage = _Places(UnknownError())
    await stage.look(100)
    assert (await stage.look(130))[P0].why == "UnknownError"
    stage.places.forget(P0)
    assert stage.client.asked[-1] == ("resume", P0)
    assert stage.places.all() == {}
    assert await stage.look(159) == {}
    assert await stage.look(188) == {}
    assert len(stage.raws) == 1


async def test_a_try_that_the_broker_refuses_is_silent():
    """Its batch came with what lies before it; asked for alone the broker refuses it, and the client would say nothing more."""
    stage = _Places(CorruptRecordException())
    stage.places.hold(P0, FAILED)
    assert stage.fetched(101, P0) == [("resume", P0), ("seek", P0, 4)]
    await stage.look(102, position=4)
    await stage.look(132, position=4)
    assert stage.client.asked[-2:] == [("raw", P0, 4), ("pause", P0)]
    assert [place.offset for place in stage.places.silent()] == [4]
    assert stage.fetched(159, P0) == []
    assert stage.fetched(160, P0) == [("resume", P0)]
