"""State is stored when all of an event is accepted and before anything is committed; what is refused leaves nothing behind."""

import asyncio

import pytest
from state_doubles import REFUSED, Adding, Marking, MemoryLog, Scene, assigned

from bridge.kafka.producer.refusal import Refused, RefusedByKafka
from bridge.model.errors import KafkaError

pytestmark = pytest.mark.clock


def run(work):
    """A coroutine to its end."""
    return asyncio.run(asyncio.wait_for(work, 20))


def known(scene, key, partition=0):
    """What a worker that took over now would read."""
    log = scene.log

    async def read():
        other = Scene(Adding(), log)
        await other.assign(partition)
        chunk = await other.take({"key": key, "letters": ""}, partition=partition)
        await other.keeper.close()
        return next(item for owner, _, item in other.items if owner is chunk).decode()

    return read()


def test_successive_events_build_on_each_other_before_any_verdict():
    """The working state grows as events are mapped; nothing is stored, nothing committable."""

    async def work():
        scene = await assigned(Adding())
        chunk = await scene.take(
            {"key": "k", "letters": "b"}, {"key": "k", "letters": "a"}, {"key": "l", "letters": "z"}
        )
        assert [item for *_, item in scene.items] == [b"b", b"ab", b"z"]
        await scene.settled()
        assert scene.ledger.committable() == {}
        assert await known(scene, "k") == ""
        scene.keeper.accepted(chunk, [0, 1, 2])
        assert scene.ledger.committable() == {}
        await scene.settled()
        assert scene.ledger.committable() == {("events", 0): 3}
        assert (await known(scene, "k"), await known(scene, "l")) == ("ab", "z")
        assert not scene.broken

    run(work())


def test_what_was_refused_leaves_nothing_behind():
    """Neither what the destination refuses nor what the mapping does; the next event builds on what was accepted."""

    async def work():
        scene = await assigned(Adding())
        first = await scene.take({"key": "k", "letters": "a"})
        scene.keeper.accepted(first, [0])
        await scene.settled()
        second = await scene.take({"key": "k", "letters": "b"})
        scene.keeper.rejected(second, 0, REFUSED, 3)
        third = await scene.take({"key": "k", "letters": "c", "refuse": 1}, {"key": "k", "letters": "d"})
        assert scene.items[-1][2] == b"ad"
        assert scene.letters == [(1, None, "no"), (2, None, "refused")]
        scene.keeper.accepted(third, [0])
        await scene.settled()
        assert await known(scene, "k") == "ad"
        assert scene.ledger.committable() == {("events", 0): 4}

    run(work())


def test_what_built_on_it_counts_when_it_is_accepted():
    """It is what the destination has."""

    async def work():
        scene = await assigned(Adding())
        chunk = await scene.take({"key": "k", "letters": "a"}, {"key": "k", "letters": "b"})
        scene.keeper.rejected(chunk, 0, REFUSED, 1)
        scene.keeper.accepted(chunk, [1])
        await scene.settled()
        assert await known(scene, "k") == "ab"
        assert scene.ledger.events == 0

    run(work())


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_one_refused_element_keeps_the_event_from_being_stored(order):
    """Whichever is judged first; the accepted one is finished all the same."""

    async def work():
        scene = await assigned(Adding())
        chunk = await scene.take({"key": "k", "letters": "a", "elements": ["u", "v"]})
        for number in order:
            if number:
                scene.keeper.accepted(chunk, [1])
            else:
                scene.keeper.rejected(chunk, 0, REFUSED, 1)
        await scene.settled()
        assert await known(scene, "k") == ""
        assert scene.ledger.committable() == {("events", 0): 1}
        mixed = await scene.take({"key": "k", "letters": "b", "elements": ["u", "!"]})
        assert scene.letters[-1] == (1, None, "no")
        scene.keeper.accepted(mixed, [0])
        await scene.settled()
        assert await known(scene, "k") == ""
        assert scene.ledger.committable() == {("events", 0): 2}

    run(work())


def test_an_element_that_mapping_refuses_counts_for_its_own_event():
    """Also behind a neighbour that was refused; what mapping refuses has never been sent."""

    async def work():
        scene = await assigned(Adding())
        chunk = await scene.take(
            {"key": "x", "letters": "", "refuse": 1}, {"key": "k", "letters": "b", "elements": ["u", "!"]}
        )
        assert scene.letters == [(0, None, "refused"), (1, None, "no")]
        scene.keeper.accepted(chunk, [0])
        await scene.settled()
        assert await known(scene, "k") == ""
        scene.keeper.rejected(await scene.take({"key": "k", "letters": "c"}), 0, REFUSED, 3)
        assert scene.attempts == [0, 0, 3]
        assert scene.ledger.committable() == {("events", 0): 3}

    run(work())


def test_nothing_builds_on_what_mapping_refuses_in_part():
    """The other elements leave, and finish when the last one has its verdict."""

    async def work():
        scene = await assigned(Adding())
        await scene.take({"key": "k", "letters": "b", "elements": ["u", "!"]}, {"key": "k", "letters": "c"})
        assert [item for *_, item in scene.items] == [b"u", b"c"]
        chunk = await scene.take({"key": "l", "letters": "d", "elements": ["u", "v", "w"]}, {"nothing": 1})
        before = scene.ledger.events
        scene.keeper.accepted(chunk, [0])
        scene.keeper.rejected(chunk, 1, REFUSED, 1)
        assert before - scene.ledger.events == 1, "the dead letter"
        scene.keeper.accepted(chunk, [2])
        assert before - scene.ledger.events == 3
        scene.keeper.rejected(chunk, 3, REFUSED, 1)
        assert before - scene.ledger.events == 4

    run(work())


def test_what_was_replayed_as_it_leaves_changes_no_state():
    """Its neighbours' verdicts are theirs."""

    async def work():
        scene = await assigned(Adding())
        chunk = scene.chunk({"key": "k", "letters": "a"}, {"key": "l", "letters": "b"})
        chunk.records[0].headers = [("bridge.form", b"xdm")]
        await scene.keeper.wait_for(chunk)
        scene.mapping.map_chunk(chunk)
        scene.keeper.accepted(chunk, [1])
        scene.keeper.accepted(chunk, [0])
        await scene.settled()
        assert (await known(scene, "k"), await known(scene, "l")) == ("", "b")
        assert scene.ledger.committable() == {("events", 0): 2}

    run(work())


def test_all_elements_have_to_be_accepted():
    """The last one has the change stored, once."""

    async def work():
        scene = await assigned(Adding())
        chunk = await scene.take({"key": "k", "letters": "a", "elements": ["u", "v"]}, {"nothing": 1})
        scene.keeper.accepted(chunk, [0, 2])
        await scene.settled()
        assert await known(scene, "k") == ""
        scene.keeper.accepted(chunk, [1])
        await scene.settled()
        assert await known(scene, "k") == "a"
        assert scene.ledger.committable() == {("events", 0): 2}

    run(work())


def test_an_event_of_which_nothing_can_be_made():
    """Mapped to nothing, or not to be prepared: a dead letter, of which nothing is remembered."""

    async def work():
        scene = await assigned(Adding())
        await scene.take({"key": "k", "letters": "a", "elements": []}, {"key": "k", "letters": "b", "explode": 1})
        assert scene.letters == [(0, None, "internal_error"), (1, None, "internal_error")]
        await scene.settled()
        assert await known(scene, "k") == ""
        assert scene.ledger.committable() == {("events", 0): 2}

    run(work())


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
        assert await known(scene, "k") == "ab"
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
        assert await known(scene, "k") == "ac"
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
        assert await known(scene, "k") == ""
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
        assert await known(scene, "k") == "a"
        again = await scene.take({"key": "k", "letters": "c"})
        scene.keeper.accepted(again, [0])
        await scene.settled()
        assert await known(scene, "k") == "ac"
        kept = {key: value for _, key, value in log.partitions[0] if key.endswith(b"k")}
        assert sorted(value for value in kept.values() if value is not None) == [b"ac"]

    run(work())


@pytest.mark.parametrize("memory", [Adding, Marking])
def test_what_becomes_due_as_the_storing_ends_is_stored(memory):
    """In the very moment in which nothing more was due: nothing else may come that would store it."""

    async def work():
        scene = await assigned(memory())
        chunk = await scene.take({"key": "k", "letters": "a"}, {"key": "l", "letters": "b"})
        scene.log.waits.clear()
        scene.keeper.accepted(chunk, [0])
        await scene.settled()
        scene.log.waits.set()
        asyncio.get_running_loop().call_soon(scene.keeper.accepted, chunk, [1])
        await scene.settled()
        assert scene.ledger.committable() == {("events", 0): 2}

    run(work())


def test_marks_of_every_end():
    """Accepted, refused by mapping, checks and destination, left out, not decodable, forgotten: each before its offset is free."""

    async def work():
        scene = await assigned(Marking())
        chunk = await scene.take(
            {"key": "good"},
            {"key": "bad"},
            {"key": "unmapped", "refuse": 1},
            ["consent"],
            [7],
            b"broken",
            {"key": "old", "gone": 1},
            {"key": "part", "elements": ["u", "v"]},
            {"key": "silent", "elements": []},
        )
        assert scene.letters == []
        assert scene.log.written() == {}
        scene.log.waits.clear()
        scene.keeper.accepted(chunk, [0, 2, 3])
        scene.keeper.rejected(chunk, 1, REFUSED, 1)
        scene.keeper.rejected(chunk, 4, REFUSED, 1)
        await scene.settled()
        assert scene.ledger.committable() == {}
        assert scene.letters == []
        scene.log.waits.set()
        await scene.settled()
        assert scene.log.written() == {
            b"good": b"accepted",
            b"bad": b"no",
            b"unmapped": b"refused",
            b"row-3": b"left out",
            b"row-4": b"undecoded: no_event",
            b"row-5": b"undecoded: not_json",
            b"old": None,
            b"part": b"no",
            b"silent": b"internal_error",
        }
        assert sorted(scene.letters) == [
            (1, None, "no"),
            (2, None, "refused"),
            (4, None, "no_event"),
            (5, None, "not_json"),
            (7, None, "no"),
            (8, None, "internal_error"),
        ]
        assert scene.ledger.committable() == {("events", 0): 9}
        assert scene.memory.tallied == 1
        assert not scene.broken

    run(work())


def test_a_record_that_ended_processes_is_marked():
    """Before its dead letter, like all that gives no event; what a rule leaves out is counted by the rule."""

    async def work():
        scene = await assigned(Marking())
        chunk = scene.chunk({"key": "hangs"}, ["consent"])
        scene.mapping.map_chunk(chunk, frozenset({0}))
        assert scene.letters == []
        await scene.settled()
        assert scene.log.written() == {b"hangs": b"undecoded: hung", b"row-1": b"left out"}
        assert (scene.letters, scene.attempts) == ([(0, None, "hung")], [0])
        assert scene.metrics.left_out_events.labels("consent")._value.get() == 1

    run(work())


def test_a_mark_that_fails_is_written_again():
    """As it is, without a claim; newer ones of the key take its place."""

    async def work():
        scene = await assigned(Marking())
        scene.log.fails = [KafkaError("no leader")]
        chunk = await scene.take({"key": "k", "refuse": 1}, {"key": "k"})
        await scene.settled()
        scene.keeper.accepted(chunk, [0])
        await scene.finished()
        assert scene.log.partitions[None] == [(0, b"k", b"accepted")]
        assert scene.letters == [(0, None, "refused")]

    run(work())


def test_a_rehearsal_knows_and_keeps_nothing():
    """It is tried as if nothing were known."""

    async def work():
        scene = await assigned(Adding())
        chunk = scene.chunk({"key": "k", "letters": "a"})
        scene.mapping.rehearse(chunk.records[0])
        assert scene.memory.tallied == -1
        scene.keeper.accepted(await scene.take({"key": "k", "letters": "a"}), [0])
        await scene.settled()
        event = {"key": "k", "letters": "b"}
        assert scene.keeper.rehearse(event, chunk.records[0]) == event
        scene.items.clear()
        assert scene.items == []

    run(work())
