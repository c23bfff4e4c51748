"""The state's log is read slowly, again, or by somebody whom the group does not confirm; and nothing is mapped before it is known."""

import asyncio

from state_doubles import Adding, Scene, assigned
from state_trouble import ToldLog, delays_of, run_virtually, state_metric, told_events, under_way, waiting_for
from structlog.testing import capture_logs

from bridge.kafka.route_state.state_reader import StateBatch
from bridge.model.errors import KafkaError
from bridge.telemetry.health import Health
from bridge.worker.lifetime.opening import open_state

AWAY = KafkaError("away")


def test_reading_that_takes_long_is_told_with_what_was_read():
    """Two seconds are no reason not to be ready; events are held from the first moment on."""

    async def work():
        go_on = asyncio.Event()

        async def reading(since):
            yield StateBatch(0, 1, log.partitions[0][:1])
            await go_on.wait()
            yield StateBatch(0, len(log.partitions[0]), log.partitions[0][1:])

        log = ToldLog(reading)
        log.partitions[0].append((0, bytes(8) + b"k", b"z"))
        scene = await assigned(Adding(), log)
        waiting = waiting_for(scene)
        await asyncio.sleep(2)
        assert scene.keeper.held
        assert scene.keeper.trouble() is None
        scene.keeper.show()
        assert state_metric(scene, "restoring") == 1
        await asyncio.sleep(0.25)
        assert scene.keeper.trouble() == "the state of 1 partitions is being read: 1 records so far"
        go_on.set()
        await waiting
        assert scene.keeper.trouble() is None
        assert not scene.keeper.held
        scene.keeper.show()
        assert (state_metric(scene, "restoring"), state_metric(scene, "keys"), state_metric(scene, "bytes")) == (
            0,
            1,
            2,
        )
        log.reading = None
        scene.ours = False
        await scene.assign(0)
        waiting = waiting_for(scene)
        await asyncio.sleep(2.25)
        assert "is being read: 5 records so far" in scene.keeper.trouble(), (
            "a claim each half second, and none of before"
        )
        scene.ours = True
        await waiting

    run_virtually(work())


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

        log = ToldLog(reading)
        scene = await assigned(Adding(), log)
        task = asyncio.create_task(other())
        await scene.take({"key": "k", "letters": "a"})
        task.cancel()

    run_virtually(work())
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

        scene = await assigned(Adding(), ToldLog(reading))
        await waiting_for(scene)
        await asyncio.sleep(1)
        assert len(batches) == 3
        assert not scene.broken

    run_virtually(work())


def test_a_claim_that_compaction_took_is_made_once_more():
    """It was another's later one that took its place; until ours is met nothing is mapped."""

    async def work():
        log = ToldLog()

        async def reading(since):
            if log.claims() == 1:
                log.partitions[0][0] = (0, log.partitions[0][0][1], b"somebody's")
            yield StateBatch(0, len(log.partitions[0]), log.partitions[0])

        log.reading = reading
        scene = await assigned(Adding(), log)
        await scene.take({"key": "k", "letters": "a"})
        assert log.claims() == 2

    run_virtually(work())


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

    run_virtually(work())
    assert asked == [0.0, 0.5, 1.0, 1.5]


def test_a_topic_with_another_number_of_partitions_holds_and_says_what_to_do():
    """Customers were in other partitions then: waited longer each time, and told once."""

    async def work():
        scene = Scene(Adding(), ToldLog())
        delays = delays_of(scene)
        scene.log.partitions[0].append((0, b"claim" + (3).to_bytes(2), b"before"))
        await scene.assign(0)
        with capture_logs() as lines:
            waiting = waiting_for(scene)
            await asyncio.sleep(2.5)
            assert "another number of partitions: stop the route's workers, delete state" in scene.keeper.trouble()
            scene.log.partitions[0].clear()
            await waiting
        assert delays == [1, 2, 3]
        assert scene.keeper.trouble() is None
        assert told_events(lines) == ["state_unreadable", "state_readable"]

    run_virtually(work())


def test_a_partition_that_is_revoked_while_it_is_claimed_anew_is_left_alone():
    """What it was to store comes again to its next owner."""

    async def work():
        scene = await assigned(Adding(), ToldLog())
        chunk = await waiting_for(scene)
        scene.log.fails = [AWAY]
        scene.ours = False
        scene.keeper.accepted(chunk, [0])
        await asyncio.sleep(20)
        writes = scene.log.writes
        scene.ledger.close([("events", 0)])
        await asyncio.sleep(20)
        assert not any(key.endswith(b"k") for _, key, _ in scene.log.partitions[0])
        assert scene.log.writes == writes
        assert under_way() == []

    run_virtually(work())


def test_nothing_waits_of_a_partition_that_is_not_ours():
    """A chunk of before keeps nobody."""

    async def work():
        scene = Scene(Adding(), ToldLog())
        await scene.assign(0, 1)
        chunk = await waiting_for(scene)
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

    run_virtually(work())


async def test_a_state_topic_that_does_not_open_is_a_reason_of_its_own() -> None:
    """An alert asks for it, which leaves out `state`: that has alerts of its own, and none of them sees this."""
    health, stop = Health(), asyncio.Event()

    class Keeper:
        async def open(self) -> None:
            stop.set()
            raise KafkaError("the brokers do not answer")

    assert not await open_state(Keeper(), stop, health)
    assert list(health.unready()) == ["state_topic"]
