"""When is the state read and stored? Before anything is mapped, before anything is committed, and anew after a rebalance."""

import asyncio

import pytest
from state_doubles import Adding, MemoryLog, Scene, assigned, known_to_another, run

from bridge.kafka.producer.refusal import Refused, RefusedByKafka
from bridge.model.errors import KafkaError

pytestmark = pytest.mark.clock


def test_a_write_that_fails_is_told_and_holds_the_offsets():
    """Under another number it is written again; later acceptances of the key go along."""

    async def work():
        scene = await assigned(Adding())
        chunk = await scene.take({"key": "k", "letters": "a"}, {"key": "k", "letters": "b"})
        scene.log.fails = [KafkaError("no leader"), KafkaError("no leader")]
        scene.keeper.accepted(chunk, [0])
        await scene.settled()
        assert scene.keeper.held
        assert scene.keeper.trouble() == "the state topic state cannot be written: no leader"
        assert scene.metrics.registry.get_sample_value("bridge_state_writable") == 0
        assert scene.keeper.keeps(chunk)
        assert scene.ledger.committable() == {}
        scene.keeper.accepted(chunk, [1])
        await scene.finished()
        assert scene.keeper.trouble() is None
        assert not scene.keeper.held
        assert scene.metrics.registry.get_sample_value("bridge_state_writable") == 1
        assert await known_to_another(scene, "k") == "ab"
        assert not scene.keeper.keeps(chunk)
        numbers = [key[:8] for _, key, value in scene.log.partitions[0] if key.endswith(b"k") and value is not None]
        assert len(set(numbers)) == len(numbers) == 1
        assert int.from_bytes(numbers[0]) > 0

    run(work())


def test_what_was_read_does_not_have_to_be_written_again():
    """A value that lies there already is finished at once; while another of the key is on its way it is not."""

    async def work():
        scene = await assigned(Adding())
        first = await scene.take({"key": "k", "letters": "a"})
        scene.keeper.accepted(first, [0])
        await scene.settled()
        writes = scene.log.writes
        again = await scene.take({"key": "k", "letters": "a"})
        scene.keeper.accepted(again, [0])
        assert scene.ledger.committable() == {("events", 0): 2}
        scene.log.waits.clear()
        more = await scene.take({"key": "k", "letters": "b"})
        scene.keeper.accepted(more, [0])
        await scene.settled()
        scene.log.waits.set()
        await scene.settled()
        assert scene.log.writes == writes + 1

    run(work())


def test_the_state_is_read_before_anything_is_mapped():
    """Also when the reading fails first, when the group takes its time to confirm us, and when another claim came in between."""

    async def work():
        log = MemoryLog()
        first = Scene(Adding(), log)
        await first.assign(0, 1)
        for partition in (0, 1):
            chunk = await first.take({"key": f"k{partition}", "letters": "a"}, partition=partition)
            first.keeper.accepted(chunk, [0])
        await first.settled()
        scene = Scene(Adding(), log)
        await scene.assign(0, 1)
        log.unreadable = [KafkaError("no answer")]
        scene.ours = False
        chunk = scene.chunk({"key": "k0", "letters": "b"})
        waiting = asyncio.create_task(scene.keeper.wait_for(chunk))
        await scene.settled()
        assert scene.keeper.trouble() == "the state topic cannot be read: no answer"
        assert scene.keeper.held
        await asyncio.sleep(0.3)
        assert not waiting.done()
        scene.ours = True
        await waiting
        scene.mapping.map_chunk(chunk)
        assert scene.items[-1][2] == b"ab"
        assert scene.keeper.trouble() is None
        scene.keeper.show()
        assert scene.metrics.registry.get_sample_value("bridge_state_keys") == 2
        assert scene.metrics.registry.get_sample_value("bridge_state_bytes") == 6
        assert scene.metrics.registry.get_sample_value("bridge_state_restoring") == 0

    run(work())


def test_a_value_of_another_version_holds_and_is_told():
    """It is not taken for nothing; once it is gone work goes on."""

    async def work():
        scene = Scene(Adding())
        scene.log.partitions[0].append((0, bytes(8) + b"k", b"broken"))
        await scene.assign(0)
        chunk = scene.chunk({"key": "k", "letters": "a"})
        waiting = asyncio.create_task(scene.keeper.wait_for(chunk))
        await scene.settled()
        assert "cannot read: no state" in scene.keeper.trouble()
        scene.log.partitions[0][0] = (0, bytes(8) + b"k", b"z")
        await waiting
        scene.mapping.map_chunk(chunk)
        assert scene.items[-1][2] == b"az"

    run(work())


def test_a_rebalance_begins_anew_and_reads_only_what_is_new():
    """What was under way is forgotten, what was stored stays; a partition that is gone is given back."""

    async def work():
        scene = Scene(Adding())
        await scene.assign(0, 1)
        chunk = await scene.take({"key": "k", "letters": "a"}, {"key": "k", "letters": "b"})
        scene.keeper.accepted(chunk, [0])
        await scene.settled()
        await scene.assign(0)
        scene.keeper.accepted(chunk, [1])
        again = await scene.take({"key": "k", "letters": "c"})
        assert scene.items[-1][2] == b"ac"
        scene.keeper.accepted(again, [0])
        await scene.settled()
        assert await known_to_another(scene, "k") == "ac"
        assert list(scene.keeper._shelves) == [0]
        assert not scene.broken

    run(work())


def test_a_chunk_of_an_assignment_that_ends_is_not_waited_for():
    """Its state need not come any more."""

    async def work():
        scene = Scene(Adding())
        scene.ours = False
        await scene.assign(0)
        chunk = scene.chunk({"key": "k", "letters": "a"})
        waiting = asyncio.create_task(scene.keeper.wait_for(chunk))
        await scene.settled()
        scene.ledger.close([("events", 0)])
        await waiting
        assert chunk.closed
        await scene.keeper.close()
        assert not scene.broken

    run(work())


def test_a_state_that_kafka_refuses_holds_nobody_up():
    """Its event is finished, counted and told; what is known stays what it was."""

    async def work():
        scene = await assigned(Adding())
        chunk = await scene.take({"key": "k", "letters": "a"})
        scene.log.fails = [RefusedByKafka([Refused(0, "too_large", "too large")])]
        scene.keeper.accepted(chunk, [0])
        await scene.settled()
        assert scene.ledger.committable() == {("events", 0): 1}
        assert scene.metrics.registry.get_sample_value("bridge_state_refused_total") == 1
        assert await known_to_another(scene, "k") == ""
        assert scene.keeper.trouble() is None

    run(work())


def test_a_state_that_kafka_refuses_leaves_the_one_before():
    """Written by an owner before: it is deleted only once a newer one is stored."""

    async def work():
        log = MemoryLog()
        first = Scene(Adding(), log)
        await first.assign(0)
        first.keeper.accepted(await first.take({"key": "k", "letters": "a"}), [0])
        await first.settled()
        scene = await assigned(Adding(), log)
        chunk = await scene.take({"key": "k", "letters": "b"})
        append = log.append

        async def refuses_the_first(partition, entries):
            log.append = append
            await append(partition, entries[1:])
            raise RefusedByKafka([Refused(0, "too_large", "too large")])

        log.append = refuses_the_first
        scene.keeper.accepted(chunk, [0])
        await scene.settled()
        assert scene.ledger.committable() == {("events", 0): 1}
        assert await known_to_another(scene, "k") == "a"
        again = await scene.take({"key": "k", "letters": "c"})
        scene.keeper.accepted(again, [0])
        await scene.settled()
        assert await known_to_another(scene, "k") == "ac"
        kept = {key: value for _, key, value in log.partitions[0] if key.endswith(b"k")}
        assert sorted(value for value in kept.values() if value is not None) == [b"ac"]

    run(work())
