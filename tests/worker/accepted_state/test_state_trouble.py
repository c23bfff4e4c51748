"""The state's log at its worst: slow, made again, of another shape, refusing, in doubt, and cut off in the middle."""

import asyncio

import pytest
from state_doubles import REFUSED, Adding, Marking, MemoryLog, Scene, assigned
from structlog.testing import capture_logs

from bridge.kafka.producer.refusal import Refused, RefusedByKafka
from bridge.kafka.route_state.state_reader import StateBatch
from bridge.model.errors import KafkaError
from bridge.testing.virtual_loop import VirtualLoop

AWAY = KafkaError("away")
TOO_LARGE = RefusedByKafka([Refused(0, "too_large", "too large")])


def run(work):
    """A coroutine to its end, hours in a moment."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(asyncio.wait_for(work, 10_000))


class _ToldLog(MemoryLog):
    """``reading`` is asked for the batches of each reading, instead of all that is there."""

    def __init__(self, reading=None):
        super().__init__()
        self.reading, self.since = reading, []

    async def read(self, since):
        """Batches."""
        self.since.append(dict(since))
        async for batch in super().read(since) if self.reading is None else self.reading(since):
            yield batch

    def claims(self):
        """How often the first partition was claimed, by tokens of which none is another's."""
        tokens = [token for _, key, token in self.partitions[0] if key.startswith(b"claim")]
        assert len(set(tokens)) == len(tokens)
        return len(tokens)


class _Delays:
    """A second after each failure; keeps how many in a row they were."""

    def __init__(self):
        self.failures = []

    def delay(self, failures):
        """Seconds."""
        self.failures.append(failures)
        return 1.0


def _delays(scene):
    delays = scene.keeper._restoring.backoff = scene.keeper._storing.backoff = _Delays()
    return delays.failures


def _metric(scene, name):
    return scene.metrics.registry.get_sample_value(f"bridge_state_{name}")


def _waits(scene, **value):
    return asyncio.create_task(scene.take({"key": "k", "letters": "a", **value}))


def _under_way():
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("state-")]


def _told(lines):
    return [line["event"] for line in lines]


def test_reading_that_takes_long_is_told_with_what_was_read():
    """Two seconds are no reason not to be ready; events are held from the first moment on."""

    async def work():
        go_on = asyncio.Event()

        async def reading(since):
            yield StateBatch(0, 1, log.partitions[0][:1])
            await go_on.wait()
            yield StateBatch(0, len(log.partitions[0]), log.partitions[0][1:])

        log = _ToldLog(reading)
        log.partitions[0].append((0, bytes(8) + b"k", b"z"))
        scene = await assigned(Adding(), log)
        waiting = _waits(scene)
        await asyncio.sleep(2)
        assert scene.keeper.held
        assert scene.keeper.trouble() is None
        scene.keeper.show()
        assert _metric(scene, "restoring") == 1
        await asyncio.sleep(0.25)
        assert scene.keeper.trouble() == "the state of 1 partitions is being read: 1 records so far"
        go_on.set()
        await waiting
        assert scene.keeper.trouble() is None
        assert not scene.keeper.held
        scene.keeper.show()
        assert (_metric(scene, "restoring"), _metric(scene, "keys"), _metric(scene, "bytes")) == (0, 1, 2)
        log.reading = None
        scene.ours = False
        await scene.assign(0)
        waiting = _waits(scene)
        await asyncio.sleep(2.25)
        assert "is being read: 5 records so far" in scene.keeper.trouble(), (
            "a claim each half second, and none of before"
        )
        scene.ours = True
        await waiting

    run(work())


def test_others_have_their_turn_while_the_state_is_read():
    """However much lies there: between two batches that came at once."""
    turns = []

    async def work():
        async def reading(since):
            for _ in range(3):
                turns.append("batch")
                yield StateBatch(0, len(log.partitions[0]), log.partitions[0])

        async def other():
            while True:
                turns.append("other")
                await asyncio.sleep(0)

        log = _ToldLog(reading)
        scene = await assigned(Adding(), log)
        task = asyncio.create_task(other())
        await scene.take({"key": "k", "letters": "a"})
        task.cancel()

    run(work())
    assert "batch batch" not in " ".join(turns)


def test_reading_ends_with_the_assignment():
    """What lies there is nothing to a worker that does not have the partition any more."""

    async def work():
        batches = []

        async def reading(since):
            while len(batches) < 50:
                batches.append(1)
                if len(batches) == 3:
                    scene.ledger.close([("events", 0)])
                yield StateBatch(0, 0, [])

        scene = await assigned(Adding(), _ToldLog(reading))
        await _waits(scene)
        await asyncio.sleep(1)
        assert len(batches) == 3
        assert not scene.broken

    run(work())


def test_a_claim_that_compaction_took_is_made_once_more():
    """It was another's later one that took its place; until ours is met nothing is mapped."""

    async def work():
        log = _ToldLog()

        async def reading(since):
            if log.claims() == 1:
                log.partitions[0][0] = (0, log.partitions[0][0][1], b"somebody's")
            yield StateBatch(0, len(log.partitions[0]), log.partitions[0])

        log.reading = reading
        scene = await assigned(Adding(), log)
        await scene.take({"key": "k", "letters": "a"})
        assert log.claims() == 2

    run(work())


def test_whoever_the_group_does_not_confirm_asks_twice_a_second():
    """A rebalance takes its time, and is no trouble."""
    asked = []

    async def work():
        scene = Scene(Adding())
        loop = asyncio.get_running_loop()
        begun = loop.time()

        async def is_ours():
            asked.append(loop.time() - begun)
            return len(asked) == 4

        scene.keeper._restoring.is_ours = is_ours
        await scene.assign(0)
        await scene.take({"key": "k", "letters": "a"})
        assert loop.time() - begun == 1.5, "it is mapped at once"

    run(work())
    assert asked == [0.0, 0.5, 1.0, 1.5]


def test_a_topic_with_another_number_of_partitions_holds_and_says_what_to_do():
    """Customers were in other partitions then: waited longer each time, and told once."""

    async def work():
        scene = Scene(Adding(), _ToldLog())
        delays = _delays(scene)
        scene.log.partitions[0].append((0, b"claim" + (3).to_bytes(2), b"before"))
        await scene.assign(0)
        with capture_logs() as lines:
            waiting = _waits(scene)
            await asyncio.sleep(2.5)
            assert "another number of partitions: stop the route's workers, delete state" in scene.keeper.trouble()
            scene.log.partitions[0].clear()
            await waiting
        assert delays == [1, 2, 3]
        assert scene.keeper.trouble() is None
        assert _told(lines) == ["state_unreadable", "state_readable"]

    run(work())


def test_failures_in_a_row_wait_longer_each_time_and_begin_anew():
    """Reading as well as writing; each trouble has a line when it begins and one when it ends."""

    async def work():
        scene = Scene(Adding(), _ToldLog())
        delays = _delays(scene)
        await scene.assign(0)
        scene.log.unreadable = [AWAY] * 3
        with capture_logs() as lines:
            chunk = await _waits(scene)
            assert delays == [1, 2, 3]
            assert _told(lines) == ["state_unreadable", "state_readable"]
            for letters in "bc":
                lines.clear()
                delays.clear()
                scene.log.fails = [AWAY] * 2
                scene.keeper.accepted(chunk, [0])
                await scene.finished()
                assert delays[0] == 1
                assert _told(lines).count("state_unwritable") == 1
                assert _told(lines)[-1] == "state_writable"
                assert _metric(scene, "writable") == 1
                chunk = await scene.take({"key": "k", "letters": letters})

    run(work())


def test_writes_that_fail_in_a_row_wait_longer_until_one_comes_through():
    """Without anything to read in between."""

    async def work():
        scene = Scene(Marking(), _ToldLog())
        delays = _delays(scene)
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

    run(work())


def test_failures_count_from_the_last_write_that_came_through():
    """Also when the next one was waiting already."""

    async def work():
        scene, written = Scene(Marking(), _ToldLog()), []
        delays = _delays(scene)
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

    run(work())


@pytest.mark.parametrize("error", [AWAY, TOO_LARGE])
def test_after_a_write_in_doubt_the_partition_is_claimed_anew(error):
    """What of it will be stored is not known: under another number it does no harm, and what is read says what was."""

    async def work():
        scene = await assigned(Adding(), _ToldLog())
        first, second = await _waits(scene), await _waits(scene, key="l")
        assert scene.log.claims() == 1
        scene.log.fails = [error]
        scene.keeper.accepted(first, [0])
        await scene.settled()
        scene.keeper.accepted(second, [0])
        await scene.finished()
        assert scene.log.claims() == 2
        assert not scene.broken

    run(work())


def test_a_partition_that_is_revoked_while_it_is_claimed_anew_is_left_alone():
    """What it was to store comes again to its next owner."""

    async def work():
        scene = await assigned(Adding(), _ToldLog())
        chunk = await _waits(scene)
        scene.log.fails = [AWAY]
        scene.ours = False
        scene.keeper.accepted(chunk, [0])
        await asyncio.sleep(20)
        writes = scene.log.writes
        scene.ledger.close([("events", 0)])
        await asyncio.sleep(20)
        assert not any(key.endswith(b"k") for _, key, _ in scene.log.partitions[0])
        assert scene.log.writes == writes
        assert _under_way() == []

    run(work())


def test_what_is_only_written_is_never_claimed():
    """Refused by Kafka for good, or failing for now: what comes next is written as it is."""

    async def work():
        scene = Scene(Marking(), _ToldLog())
        assert _metric(scene, "writable") == 1, "until something fails"
        await scene.assign(0)
        scene.log.fails = [TOO_LARGE, AWAY]
        with capture_logs() as lines:
            await scene.take({"key": "large", "refuse": 1})
            await scene.settled()
        assert scene.letters == [(0, None, "refused")], "its dead letter need not wait for ever"
        assert [(line["event"], line["count"], line["codes"]) for line in lines] == [
            ("state_refused", 1, ["too_large"])
        ]
        assert _metric(scene, "refused_total") == 1
        await scene.take({"key": "small", "refuse": 1})
        await scene.finished()
        assert scene.log.partitions[None] == [(0, b"small", b"refused")]

    run(work())


def test_a_topic_that_was_made_again_gets_what_is_known():
    """With the customer's next event, also one that changes nothing; it is told, and only what is new was read."""

    async def work():
        log = _ToldLog()
        scene = await assigned(Adding(), log)
        scene.keeper.accepted(await _waits(scene), [0])
        await scene.settled()
        assert len(log.partitions[0]) == 2

        async def reading(since):
            yield StateBatch(0, len(log.partitions[0]), log.partitions[0], anew=True)

        log.reading = reading
        log.partitions[0].clear()
        await scene.assign(0)
        with capture_logs() as lines:
            again = await _waits(scene, letters="")
        assert log.since == [{0: 0}, {0: 1}], "what it stored itself it knows, and reads once more"
        assert scene.items[-1][2] == b"a"
        assert [(line["event"], line["partition"]) for line in lines] == [("state_gone", 0)]
        scene.keeper.accepted(again, [0])
        await scene.settled()
        assert [value for _, key, value in log.partitions[0] if key.endswith(b"k")][:1] == [b"a"]

    run(work())


def test_an_unexpected_error_ends_the_worker():
    """It is handed on as it is; who waits for the state looks ten times a second, until the chunk is nobody's."""

    async def work():
        scene = Scene(Adding())
        bug = RuntimeError("a bug")
        scene.log.unreadable = [bug]
        await scene.assign(0)
        waiting = _waits(scene)
        await asyncio.sleep(1)
        assert scene.broken == [bug]
        assert not waiting.done()
        scene.ledger.close([("events", 0)])
        await asyncio.sleep(0.2)
        assert waiting.done()

    run(work())


def test_closing_gives_up_what_is_under_way():
    """Reading and writing alike, at once, and whatever goes wrong then is nobody's trouble; nothing begins afterwards."""

    async def work():
        log = _ToldLog()
        scene = Scene(Adding(), log)
        await scene.assign(0, 1)
        chunk = await scene.take({"key": "k", "letters": "a"}, {"key": "l", "letters": "a"})
        log.waits.clear()
        scene.keeper.accepted(chunk, [0])
        await scene.settled()
        await scene.keeper.close()
        assert _under_way() == []
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

    run(work())


def test_an_error_of_what_is_being_closed_is_nobodys_trouble():
    """A client that is asked to give up may answer with anything."""

    async def work():
        async def reading(since):
            try:
                await asyncio.Event().wait()
            finally:
                raise RuntimeError("the client is closed")
            yield

        scene = await assigned(Adding(), _ToldLog(reading))
        waiting = _waits(scene)
        await asyncio.sleep(1)
        assert _under_way() == ["state-restoring"]
        await scene.keeper.close()
        assert _under_way() == []
        await asyncio.sleep(1)
        assert waiting.done()
        assert not scene.broken

    run(work())


def test_what_belongs_to_a_revoked_partition_is_neither_marked_nor_laid_down():
    """It comes again to whoever has the partition now."""

    async def work():
        scene = await assigned(Marking(), _ToldLog())
        scene.log.waits.clear()
        chunk = await scene.take({"key": "bad", "refuse": 1}, {"key": "good"})
        await scene.settled()
        await scene.assign(0)
        scene.keeper.accepted(chunk, [0])
        scene.log.waits.set()
        await scene.settled()
        assert scene.letters == []
        assert scene.log.written() == {b"bad": b"refused"}

    run(work())


def test_nothing_waits_of_a_partition_that_is_not_ours():
    """A chunk of before keeps nobody."""

    async def work():
        scene = Scene(Adding(), _ToldLog())
        await scene.assign(0, 1)
        chunk = await _waits(scene)
        scene.log.waits.clear()
        scene.keeper.accepted(chunk, [0])
        await scene.settled()
        assert scene.keeper.keeps(chunk)
        scene.log.waits.set()
        await scene.assign(1)
        other = scene.chunk({"key": "m", "letters": "a"}, partition=1)
        await scene.keeper.wait_for(other)
        assert not scene.keeper.keeps(chunk)
        assert not scene.keeper.keeps(other)

    run(work())


def test_a_mark_of_what_the_destination_refused_comes_before_its_dead_letter():
    """Its attempts go along, and it is laid down once."""

    async def work():
        scene = await assigned(Marking(), _ToldLog())
        chunk = await scene.take({"key": "k", "elements": ["u", "v"]})
        scene.log.waits.clear()
        scene.keeper.rejected(chunk, 1, REFUSED, 4)
        await scene.settled()
        assert scene.letters == []
        scene.log.waits.set()
        scene.keeper.accepted(chunk, [0])
        await scene.finished()
        assert scene.letters == [(0, None, "no")]

    run(work())


def test_a_write_that_is_not_answered_is_told_within_ten_seconds():
    """Brokers that fall silent owe their answer for as long as a request may take; its end is told as that of any other trouble."""

    async def work():
        scene = await assigned(Adding())
        chunk = await _waits(scene)
        scene.log.waits.clear()
        with capture_logs() as lines:
            scene.keeper.accepted(chunk, [0])
            for seconds in range(8):
                await asyncio.sleep(1)
                if seconds < 7:
                    scene.keeper.show()
            assert (scene.keeper.trouble(), scene.keeper.held, _metric(scene, "writable")) == (None, False, 1)
            scene.keeper.show()
            assert scene.keeper.held
            assert (
                scene.keeper.trouble()
                == "the state topic state cannot be written: the brokers have not confirmed it for 8 s"
            )
            assert _metric(scene, "writable") == 0
            for _ in range(5):
                await asyncio.sleep(1)
                scene.keeper.show()
            assert _told(lines) == ["state_unwritable"]
            scene.log.waits.set()
            await scene.finished()
        assert _told(lines) == ["state_unwritable", "state_writable"]
        assert (scene.keeper.trouble(), scene.keeper.held, _metric(scene, "writable")) == (None, False, 1)

    run(work())


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

    run(work())


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
            assert _metric(scene, "writable") == 0
            broken.clear()
            await scene.finished()
        assert [line for line in _told(lines) if "writable" in line] == ["state_unwritable", "state_writable"]
        assert _metric(scene, "writable") == 1

    run(work())


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
        assert (scene.keeper.trouble(), scene.keeper.held, _metric(scene, "writable")) == (None, False, 1)
        assert [line for line in _told(lines) if "writable" in line] == ["state_unwritable", "state_writable"]

    run(work())
