"""Marks of rows: of every end that an event may have, before its dead letter; and rehearsals, which keep nothing."""

import asyncio

import pytest
from state_doubles import REFUSED, Adding, Marking, assigned, run

from bridge.model.errors import KafkaError


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
