"""Which verdicts change the state that events build on? What is accepted is kept when all of its event is; what is refused leaves nothing behind."""

import pytest
from state_doubles import REFUSED, Adding, assigned, known_to_another, run

pytestmark = pytest.mark.clock


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
        assert await known_to_another(scene, "k") == ""
        scene.keeper.accepted(chunk, [0, 1, 2])
        assert scene.ledger.committable() == {}
        await scene.settled()
        assert scene.ledger.committable() == {("events", 0): 3}
        assert (await known_to_another(scene, "k"), await known_to_another(scene, "l")) == ("ab", "z")
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
        assert await known_to_another(scene, "k") == "ad"
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
        assert await known_to_another(scene, "k") == "ab"
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
        assert await known_to_another(scene, "k") == ""
        assert scene.ledger.committable() == {("events", 0): 1}
        mixed = await scene.take({"key": "k", "letters": "b", "elements": ["u", "!"]})
        assert scene.letters[-1] == (1, None, "no")
        scene.keeper.accepted(mixed, [0])
        await scene.settled()
        assert await known_to_another(scene, "k") == ""
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
        assert await known_to_another(scene, "k") == ""
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
        assert (await known_to_another(scene, "k"), await known_to_another(scene, "l")) == ("", "b")
        assert scene.ledger.committable() == {("events", 0): 2}

    run(work())


def test_all_elements_have_to_be_accepted():
    """The last one has the change stored, once."""

    async def work():
        scene = await assigned(Adding())
        chunk = await scene.take({"key": "k", "letters": "a", "elements": ["u", "v"]}, {"nothing": 1})
        scene.keeper.accepted(chunk, [0, 2])
        await scene.settled()
        assert await known_to_another(scene, "k") == ""
        scene.keeper.accepted(chunk, [1])
        await scene.settled()
        assert await known_to_another(scene, "k") == "a"
        assert scene.ledger.committable() == {("events", 0): 2}

    run(work())


def test_an_event_of_which_nothing_can_be_made():
    """Mapped to nothing, or not to be prepared: a dead letter, of which nothing is remembered."""

    async def work():
        scene = await assigned(Adding())
        await scene.take({"key": "k", "letters": "a", "elements": []}, {"key": "k", "letters": "b", "explode": 1})
        assert scene.letters == [(0, None, "internal_error"), (1, None, "internal_error")]
        await scene.settled()
        assert await known_to_another(scene, "k") == ""
        assert scene.ledger.committable() == {("events", 0): 2}

    run(work())
