"""The state's log at its worst: slow, made again, of another shape, refusing, in doubt, and cut off in the middle."""

import asyncio

import pytest
from state_doubles import REFUSED, Adding, Marking, Scene, assigned
from state_trouble import ToldLog, delays_of, run_virtually, state_metric, told_events, under_way, waiting_for
from structlog.testing import capture_logs

from bridge.kafka.producer.refusal import Refused, RefusedByKafka
from bridge.kafka.route_state.state_reader import StateBatch
from bridge.model.errors import KafkaError

AWAY = KafkaError("away")
TOO_LARGE = RefusedByKafka([Refused(0, "too_large", "too large")])


def test_failures_in_a_row_wait_longer_each_time_and_begin_anew():
    """Reading as well as writing; each trouble has a line when it begins and one when it ends."""

    async def work():
        scene = Scene(Adding(), ToldLog())
        delays = delays_of(scene)
        await scene.assign(0)
        scene.log.unreadable = [AWAY] * 3
        with capture_logs() as lines:
            chunk = await waiting_for(scene)
            assert delays == [1, 2, 3]
            assert told_events(lines) == ["state_unreadable", "state_readable"]
            for letters in "bc":
                lines.clear()
                delays.clear()
                scene.log.fails = [AWAY] * 2
                scene.keeper.accepted(chunk, [0])
                await scene.finished()
                assert delays[0] == 1
                assert told_events(lines).count("state_unwritable") == 1
                assert told_events(lines)[-1] == "state_writable"
                assert state_metric(scene, "writable") == 1
                chunk = await scene.take({"key": "k", "letters": letters})

    run_virtually(work())


def test_writes_that_fail_in_a_row_wait_longer_until_one_comes_through():
    """Without anything to read in between."""

    async def work():
        scene = Scene(Marking(), ToldLog())
        delays = delays_of(scene)
        await scene.assign(0)
        chunk = await scene.take({"key": "a"}, {"key": "b"})
        scene.log.fails = [AWAY] * 3
        scene.keeper.accepted(chunk, [0])
        await asyncio.sleep(1.5)
        scene.keeper.accepted(chunk, [1])
        await scene.finished()
        assert delays == [1, 2, 3]
        scene.log.waits.clear()
        chunk = await scene.take({"key": "c"}, {"key": "d"})
        scene.keeper.accepted(chunk, [0])
        await scene.settled()
        scene.keeper.accepted(chunk, [1])
        scene.log.waits.set()
        await scene.finished()
        assert scene.log.writes == 3

    run_virtually(work())


def test_failures_count_from_the_last_write_that_came_through():
    """Also when the next one was waiting already."""

    async def work():
        scene, written = Scene(Marking(), ToldLog()), []
        delays = delays_of(scene)
        await scene.assign(0)
        chunk = await scene.take({"key": "a"}, {"key": "b"})

        async def append(_partition, entries):
            written.append([key for key, _ in entries])
            await asyncio.sleep(0.25)
            if len(written) == 2:
                raise AWAY

        scene.log.append = append
        for number in (0, 1):
            scene.keeper.accepted(chunk, [number])
            await scene.settled()
        await scene.finished()
        assert written == [[b"a"], [b"b"], [b"b"]]
        assert delays == [1]

    run_virtually(work())


@pytest.mark.parametrize("error", [AWAY, TOO_LARGE])
def test_after_a_write_in_doubt_the_partition_is_claimed_anew(error):
    """What of it will be stored is not known: under another number it does no harm, and what is read says what was."""

    async def work():
        scene = await assigned(Adding(), ToldLog())
        first, second = await waiting_for(scene), await waiting_for(scene, key="l")
        assert scene.log.claims() == 1
        scene.log.fails = [error]
        scene.keeper.accepted(first, [0])
        await scene.settled()
        scene.keeper.accepted(second, [0])
        await scene.finished()
        assert scene.log.claims() == 2
        assert not scene.broken

    run_virtually(work())


def test_what_is_only_written_is_never_claimed():
    """Refused by Kafka for good, or failing for now: what comes next is written as it is."""

    async def work():
        scene = Scene(Marking(), ToldLog())
        assert state_metric(scene, "writable") == 1, "until something fails"
        await scene.assign(0)
        scene.log.fails = [TOO_LARGE, AWAY]
        with capture_logs() as lines:
            await scene.take({"key": "large", "refuse": 1})
            await scene.settled()
        assert scene.letters == [(0, None, "refused")], "its dead letter need not wait for ever"
        assert [(line["event"], line["count"], line["codes"]) for line in lines] == [
            ("state_refused", 1, ["too_large"])
        ]
        assert state_metric(scene, "refused_total") == 1
        await scene.take({"key": "small", "refuse": 1})
        await scene.finished()
        assert scene.log.partitions[None] == [(0, b"small", b"refused")]

    run_virtually(work())


def test_a_topic_that_was_made_again_gets_what_is_known():
    """With the customer's next event, also one that changes nothing; it is told, and only what is new was read."""

    async def work():
        log = ToldLog()
        scene = await assigned(Adding(), log)
        scene.keeper.accepted(await waiting_for(scene), [0])
        await scene.settled()
        assert len(log.partitions[0]) == 2

        async def reading(since):
            yield StateBatch(0, len(log.partitions[0]), log.partitions[0], anew=True)

        log.reading = reading
        log.partitions[0].clear()
        await scene.assign(0)
        with capture_logs() as lines:
            again = await waiting_for(scene, letters="")
        assert log.since == [{0: 0}, {0: 1}], "what it stored itself it knows, and reads once more"
        assert scene.items[-1][2] == b"a"
        assert [(line["event"], line["partition"]) for line in lines] == [("state_gone", 0)]
        scene.keeper.accepted(again, [0])
        await scene.settled()
        assert [value for _, key, value in log.partitions[0] if key.endswith(b"k")][:1] == [b"a"]

    run_virtually(work())


def test_an_unexpected_error_ends_the_worker():
    """It is handed on as it is; who waits for the state looks ten times a second, until the chunk is nobody's."""

    async def work():
        scene = Scene(Adding())
        bug = RuntimeError("a bug")
        scene.log.unreadable = [bug]
        await scene.assign(0)
        waiting = waiting_for(scene)
        await asyncio.sleep(1)
        assert scene.broken == [bug]
        assert not waiting.done()
        scene.ledger.close([("events", 0)])
        await asyncio.sleep(0.2)
        assert waiting.done()

    run_virtually(work())


def test_closing_gives_up_what_is_under_way():
    """Reading and writing alike, at once, and whatever goes wrong then is nobody's trouble; nothing begins afterwards."""

    async def work():
        log = ToldLog()
        scene = Scene(Adding(), log)
        await scene.assign(0, 1)
        chunk = await scene.take({"key": "k", "letters": "a"}, {"key": "l", "letters": "a"})
        log.waits.clear()
        scene.keeper.accepted(chunk, [0])
        await scene.settled()
        await scene.keeper.close()
        assert under_way() == []
        log.waits.set()
        writes = log.writes
        scene.keeper.accepted(chunk, [1])
        await scene.settled()
        assert log.writes == writes
        assert scene.ledger.committable() == {}
        await scene.assign(0)
        late = scene.chunk({"key": "k", "letters": "b"})
        await scene.keeper.wait_for(late)
        assert not scene.keeper.is_ready(late)
        assert not scene.broken

    run_virtually(work())


def test_an_error_of_what_is_being_closed_is_nobodys_trouble():
    """A client that is asked to give up may answer with anything."""

    async def work():
        async def reading(since):
            try:
                await asyncio.Event().wait()
            finally:
                raise RuntimeError("the client is closed")
            yield

        scene = await assigned(Adding(), ToldLog(reading))
        waiting = waiting_for(scene)
        await asyncio.sleep(1)
        assert under_way() == ["state-restoring"]
        await scene.keeper.close()
        assert under_way() == []
        await asyncio.sleep(1)
        assert waiting.done()
        assert not scene.broken

    run_virtually(work())


def test_what_belongs_to_a_revoked_partition_is_neither_marked_nor_laid_down():
    """It comes again to whoever has the partition now."""

    async def work():
        scene = await assigned(Marking(), ToldLog())
        scene.log.waits.clear()
        chunk = await scene.take({"key": "bad", "refuse": 1}, {"key": "good"})
        await scene.settled()
        await scene.assign(0)
        scene.keeper.accepted(chunk, [0])
        scene.log.waits.set()
        await scene.settled()
        assert scene.letters == []
        assert scene.log.written() == {b"bad": b"refused"}

    run_virtually(work())


def test_a_mark_of_what_the_destination_refused_comes_before_its_dead_letter():
    """Its attempts go along, and it is laid down once."""

    async def work():
        scene = await assigned(Marking(), ToldLog())
        chunk = await scene.take({"key": "k", "elements": ["u", "v"]})
        scene.log.waits.clear()
        scene.keeper.rejected(chunk, 1, REFUSED, 4)
        await scene.settled()
        assert scene.letters == []
        scene.log.waits.set()
        scene.keeper.accepted(chunk, [0])
        await scene.finished()
        assert scene.letters == [(0, None, "no")]

    run_virtually(work())


def test_a_write_that_is_not_answered_is_told_within_ten_seconds():
    """Brokers that fall silent owe their answer for as long as a request may take; its end is told as that of any other trouble."""

    async def work():
        scene = await assigned(Adding())
        chunk = await waiting_for(scene)
        scene.log.waits.clear()
        with capture_logs() as lines:
            scene.keeper.accepted(chunk, [0])
            for seconds in range(8):
                await asyncio.sleep(1)
                if seconds < 7:
                    scene.keeper.show()
            assert (scene.keeper.trouble(), scene.keeper.held, state_metric(scene, "writable")) == (None, False, 1)
            scene.keeper.show()
            assert scene.keeper.held
            assert (
                scene.keeper.trouble()
                == "the state topic state cannot be written: the brokers have not confirmed it for 8 s"
            )
            assert state_metric(scene, "writable") == 0
            for _ in range(5):
                await asyncio.sleep(1)
                scene.keeper.show()
            assert told_events(lines) == ["state_unwritable"]
            scene.log.waits.set()
            await scene.finished()
        assert told_events(lines) == ["state_unwritable", "state_writable"]
        assert (scene.keeper.trouble(), scene.keeper.held, state_metric(scene, "writable")) == (None, False, 1)

    run_virtually(work())


def test_a_write_that_follows_another_has_its_own_time():
    """What is stored again and again is no trouble, however long there is something to store."""

    async def work():
        scene = await assigned(Marking())
        chunk = await scene.take({"key": "a"}, {"key": "b"}, {"key": "c"})

        async def append(_partition, _entries):
            await asyncio.sleep(6)

        scene.log.append = append
        for number in range(3):
            scene.keeper.accepted(chunk, [number])
            await asyncio.sleep(5)
            scene.keeper.show()
            assert scene.keeper.trouble() is None
        await scene.finished()

    run_virtually(work())


def test_a_write_that_comes_through_ends_the_trouble_while_there_is_more_to_store():
    """What became due meanwhile is stored next, and is no trouble."""

    async def work():
        scene = await assigned(Marking())
        chunk = await scene.take({"key": "a"}, {"key": "b"}, {"key": "c"})
        begun, done = [], []

        async def append(_partition, _entries):
            begun.append(1)
            await asyncio.sleep(3)
            done.append(1)
            if len(done) == 1:
                raise AWAY

        async def until(what, count):
            while len(what) < count:  # noqa: ASYNC110 - virtual time, and a list that a double appends to
                await asyncio.sleep(0.1)

        scene.log.append = append
        scene.keeper.accepted(chunk, [0])
        await until(done, 1)
        assert scene.keeper.trouble()
        scene.keeper.accepted(chunk, [1])
        await until(begun, 2)
        scene.keeper.accepted(chunk, [2])
        await until(begun, 3)
        assert scene.keeper.trouble() is None
        await scene.finished()

    run_virtually(work())


def test_a_partition_that_can_be_written_does_not_end_the_trouble_of_another():
    """Told once, until everything can be stored."""

    async def work():
        scene = Scene(Adding())
        await scene.assign(0, 1)
        chunks = [await scene.take({"key": "k", "letters": "a"}, partition=number) for number in (0, 1)]
        append = scene.log.append

        async def one_fails(partition, entries):
            if partition == 1 and broken:
                raise AWAY
            await append(partition, entries)

        scene.log.append, broken = one_fails, [True]
        with capture_logs() as lines:
            scene.keeper.accepted(chunks[1], [0])
            await scene.settled()
            scene.keeper.accepted(chunks[0], [0])
            await scene.settled()
            assert scene.keeper.trouble() == "the state topic state cannot be written: away"
            assert state_metric(scene, "writable") == 0
            broken.clear()
            await scene.finished()
        assert [line for line in told_events(lines) if "writable" in line] == ["state_unwritable", "state_writable"]
        assert state_metric(scene, "writable") == 1

    run_virtually(work())


@pytest.mark.parametrize("end", ["revoked", "refused"])
def test_a_trouble_ends_with_what_was_to_be_stored(end):
    """Another worker has the partition now, or Kafka has refused it for good: nothing is left that could not be stored."""

    async def work():
        scene = await assigned(Adding() if end == "revoked" else Marking())
        chunk = await scene.take({"key": "k", "letters": "a"})
        scene.log.fails = [AWAY] * 50 if end == "revoked" else [AWAY, TOO_LARGE]
        with capture_logs() as lines:
            scene.keeper.accepted(chunk, [0])
            await scene.settled()
            assert scene.keeper.trouble()
            if end == "revoked":
                scene.ledger.close([("events", 0)])
            await asyncio.sleep(60)
        assert (scene.keeper.trouble(), scene.keeper.held, state_metric(scene, "writable")) == (None, False, 1)
        assert [line for line in told_events(lines) if "writable" in line] == ["state_unwritable", "state_writable"]

    run_virtually(work())
