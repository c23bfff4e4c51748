"""What is written again, claimed anew or laid down when a write is in doubt, refused, overtaken, or its topic made again?"""

import asyncio

import pytest
from state_doubles import REFUSED, Adding, Marking, Scene, assigned
from state_trouble import AWAY, TOO_LARGE, ToldLog, run_virtually, state_metric, under_way, waiting_for
from structlog.testing import capture_logs

from bridge.kafka.route_state.state_reader import StateBatch


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


@pytest.mark.parametrize("waits", [True, False])
def test_marks_of_a_revoked_partition_do_not_wait_for_the_topic(waits):
    """Each owner would leave a copy in the memory, and write it over the next one's; others' are stored, whether it failed or was unanswered."""

    async def work():
        scene = await assigned(Marking(), ToldLog())
        log = scene.log
        log.fails = [AWAY] * 10**3
        for _ in range(5):
            if waits:
                log.waits.clear()
            scene.keeper.accepted(await scene.take({"key": "old"}, {"key": "older"}), [0, 1])
            await asyncio.sleep(60.0)
            scene.ledger.close([("events", 0)])
            scene.keeper.forget_closed()
            log.waits.set()
            await asyncio.sleep(10.0)
            assert (under_way(), scene.keeper.held) == ([], False)
            await scene.assign(0)
        scene.keeper.accepted(await scene.take({"key": "new"}), [0])
        await asyncio.sleep(10.0)
        log.fails.clear()
        await scene.finished()
        assert log.written() == {b"new": b"accepted"}
        assert scene.letters == []

    run_virtually(work())


def test_a_topic_that_is_back_gets_no_mark_of_a_revoked_partition():
    """What waits for its next try when the assignment ends is dropped with it: the next owner may have written newer."""

    async def work():
        scene = await assigned(Marking(), ToldLog())
        scene.log.fails = [AWAY]
        scene.keeper.accepted(await scene.take({"key": "old"}), [0])
        await scene.settled()
        scene.ledger.close([("events", 0)])
        scene.keeper.forget_closed()
        await asyncio.sleep(60.0)
        assert scene.log.written() == {}
        assert under_way() == []

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
