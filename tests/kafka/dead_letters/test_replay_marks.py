"""What was replayed is told from the offsets of the replays' groups: how far each filter went, and what it left."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from bridge.kafka.dead_letters import replay as replays
from bridge.kafka.dead_letters.replay import Chosen, Replayed
from bridge.kafka.dead_letters.replay_marks import Mark, Marks, group_of
from bridge.kafka.dead_letters.stored_letters import Filter, Stored
from bridge.kafka.producer.refusal import Refused, RefusedByKafka
from bridge.model.dead_letter import DeadLetter
from bridge.model.errors import KafkaError
from bridge.settings import KafkaSettings
from bridge.sources.moengage.decoder import DECODER

WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def letter(offset, *, partition=0, **more):
    """A letter at a place."""
    made = {"stage": "map", "code": "a", "reason": "", "failed_at": WHEN, **more}
    return Stored(partition, offset, DeadLetter(None, b"{}", **made), [])


def test_what_lies_below_and_fits_was_sent() -> None:
    """Not what lies beyond or elsewhere, is of another code, was left, is cut, or had been round too often."""
    marks = Marks([Mark(0, 10, Filter(code="a"), left=(4,))])
    assert marks.replayed(letter(3))
    assert marks.replayed(letter(9))
    assert marks.replayed(letter(3, form="xdm"))
    for other in (
        letter(10),
        letter(3, partition=1),
        letter(3, code="b"),
        letter(4),
        letter(3, form="truncated"),
        letter(3, form="unheard-of"),
        letter(3, form="unheard-of"),
        letter(3, replays=3),
    ):
        assert not marks.replayed(other)
    assert Marks([Mark(0, 10, Filter(), max_replays=5)]).replayed(letter(3, replays=4))
    assert not Marks(()).replayed(letter(3))


_filters = st.builds(
    Filter,
    stage=st.none() | st.text(max_size=9),
    code=st.none() | st.text(max_size=9),
    event_code=st.none() | st.text(max_size=9),
    since=st.none() | st.just(WHEN),
    until=st.none() | st.datetimes(timezones=st.just(UTC)),
)


@given(_filters, st.integers(1, 9), st.integers(0, 10**9), st.lists(st.integers(0, 10**15), max_size=2_000))
def test_what_is_committed_is_read_again(wanted, most, sent, left) -> None:
    """Any filter; of more left letters than Kafka keeps beside an offset the newest are remembered."""
    mark = Mark(3, 77, wanted, most, sent, tuple(left))
    text = mark.to_metadata()
    assert len(text.encode()) <= 4_096
    read = Mark.from_metadata(3, 77, text, unfiltered=False)
    assert (read.wanted, read.max_replays, read.sent, read.upto) == (wanted, most, sent, 77)
    assert read.left == tuple(left[len(left) - len(read.left) :])
    assert len(left) > 100 or read.left == tuple(left)


def test_offsets_of_earlier_versions_and_of_others() -> None:
    """Without metadata the group of all letters is known for what it is; a filter's is not, nor is what another wrote."""
    assert Mark.from_metadata(0, 5, "", unfiltered=True) == Mark(0, 5, Filter())
    assert Mark.from_metadata(0, 5, "", unfiltered=False) is None
    for text in ("x", "{}", "[]", '{"filter":{"no":"1"},"max_replays":3,"sent":0,"left":[]}', '{"filter":3}'):
        assert Mark.from_metadata(0, 5, text, unfiltered=True) is None


def test_each_filter_has_its_own_group() -> None:
    """The maximum of rounds belongs to it: with another one other letters are passed by."""
    kafka = KafkaSettings(group="g")
    assert group_of(kafka, Filter(), 3) == "g.replay"
    assert group_of(kafka, Filter(), 5) == "g.replay.5"
    assert group_of(kafka, Filter(code="a"), 3).startswith("g.replay.")
    marks = Marks([Mark(0, 5, Filter()), Mark(0, 9, Filter(code="a")), Mark(1, 7, Filter())])
    assert marks.of(0, Filter(), 3).upto == 5
    assert marks.of(0, Filter(code="a"), 3).upto == 9
    assert marks.of(0, Filter(code="a"), 4) is None
    assert marks.of(2, Filter(), 3) is None


async def test_a_letter_that_its_topic_refuses_is_left() -> None:
    """Kafka refuses one of three on the way: the others count as sent, it stays, with the reason, and is remembered."""

    class Publisher:
        async def publish(self, _records, *, topic=None):
            assert topic == "events"
            raise RefusedByKafka([Refused(1, "too_large", "large")])

    some = [(letter(n), (None, b"{}", ())) for n in (5, 6, 7)]
    done = Replayed()
    done.sent["map", "a"] = 3
    chosen = Chosen(8, {"events": some})
    assert await replays._send(Publisher(), chosen, done) == 2
    assert (chosen.left, done.sent["map", "a"], dict(done.kept)) == ([6], 2, {"refused by the topic": 1})


async def test_nothing_is_marked_that_was_not_confirmed(monkeypatch) -> None:
    """Kafka is away while letters are sent: the error goes out, and no offset is committed."""
    committed = []

    class Consumer(SimpleNamespace):
        def assign(self, _partitions):
            """As a consumer's."""

        async def seek_to_beginning(self, _partition):
            """As a consumer's."""

    class Keeper:
        def __init__(self, kafka, group, partitions):
            assert group == f"{kafka.group}.replay"
            assert len(partitions) == 1

        async def __aenter__(self):
            return self

        async def __aexit__(self, *_):
            """As the real one."""

        async def keep(self, offsets):
            committed.append(offsets)

    class Publisher:
        away = True

        def limit(self, _topic):
            return 1_000

        async def publish(self, *_args, **_more):
            if self.away:
                raise KafkaError("away")

    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def opened(_kafka):
        yield Consumer(), {SimpleNamespaceKey(0): 2}

    async def batches(*_args):
        yield [letter(0), letter(1)]

    async def no_marks(_kafka, _decoder, _asked):
        return Marks(())

    monkeypatch.setattr(replays, "open_letters", opened)
    monkeypatch.setattr(replays, "OffsetKeeper", Keeper)
    monkeypatch.setattr(replays, "up_to", batches)
    monkeypatch.setattr(replays, "load_marks", no_marks)
    publisher = Publisher()
    try:
        await replays.replay(KafkaSettings(), publisher, Filter(), DECODER)
    except KafkaError:
        pass
    else:
        raise AssertionError("the error goes out")
    assert committed == []
    publisher.away = False
    done = await replays.replay(KafkaSettings(), publisher, Filter(), DECODER)
    assert done.sent.total() == 2
    ((upto, text),) = committed[0].values()
    assert upto == 2
    assert Mark.from_metadata(0, upto, text, unfiltered=True).sent == 2


class SimpleNamespaceKey:
    """A partition of a topic, fit for a dict."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
