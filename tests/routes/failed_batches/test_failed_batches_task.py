"""Has every record that AEP refused one dead letter, over any number of runs, leaders and crashes? An emulated AEP over real HTTP, and Kafka's topics in memory."""

from __future__ import annotations

from collections import Counter

import pytest
from failed_batches_scene import LeadTime, failed_batch

from bridge.model.errors import LeadLost
from bridge.routes import failed_batches_fetch
from bridge.testing.later_refusals import CODE


async def test_every_refused_record_has_one_letter_over_any_number_of_runs_and_leaders(scene):
    """Failed batches and failed parts of good ones; read again by the same leader, a new one, and one without memory."""
    for number in range(7):
        failed_batch(scene.emulator, f"late-{number}", good=[f"good-{number}"])
    task, lead = scene.task(), LeadTime(scene.kafka)
    for _ in range(3):
        await task.run(lead)
    await task.aclose()
    await scene.run()
    scene.kafka.values.clear()
    await scene.run()
    assert scene.kafka.ids() == Counter(f"late-{number}" for number in range(7))
    assert {(one.stage, one.code, one.form) for one in scene.kafka.letters} == {("ingest", CODE, "xdm")}
    assert scene.metrics.dead_letters.labels("ingest", CODE)._value.get() == 7


async def test_more_batches_than_a_page_lists(scene):
    """Catalog lists a hundred at once; a batch that shows on two pages counts once, and what is done is not read again."""
    for number in range(130):
        failed_batch(scene.emulator, f"late-{number}")
    await scene.run()
    assert scene.kafka.ids() == Counter(f"late-{number}" for number in range(130))
    looks = scene.kafka.looks
    await scene.run()
    assert scene.kafka.looks == looks


async def test_a_crash_between_letters_and_state_stores_nothing_twice(scene):
    """The letters are stored, the process dies before the state knows: the next leader finds them in the dead-letter topic."""
    failed_batch(scene.emulator, "a", "b")

    def dies():
        raise LeadLost("killed")

    scene.kafka.lose = dies
    with pytest.raises(LeadLost):
        await scene.run()
    assert scene.kafka.ids() == Counter(["a", "b"])
    assert not scene.kafka.values
    scene.kafka.lose = lambda: None
    await scene.run()
    assert scene.kafka.ids() == Counter(["a", "b"])


async def test_two_that_both_think_they_lead_store_nothing_twice(scene):
    """The second reads its batch before the first has stored, and stores after it: it looks once more just before."""
    failed_batch(scene.emulator, "a", "b")
    first, second, lead = scene.task(), scene.task(), LeadTime(scene.kafka)
    between = scene.kafka.publish
    entered = []

    async def records_between(_kafka, _since, _until):
        if not entered:
            entered.append(1)
            await first.run(LeadTime(scene.kafka))
        for _ in ():
            yield

    failed_batches_fetch.records_between = records_between  # put back by the fixture
    await second.run(lead)
    for one in (first, second):
        await one.aclose()
    assert between == scene.kafka.publish
    assert scene.kafka.ids() == Counter(["a", "b"])


async def test_a_record_with_two_letters_stands_for_no_other(scene):
    """Two that stored at once died before the second record: as many letters as the batch has refused, and one without any."""
    failed_batch(scene.emulator, "a", "b")
    await scene.run()
    letters = [one for one in scene.kafka.letters if one.event_uuid == "a"]
    scene.kafka.letters[:] = letters * 2
    scene.kafka.values.clear()
    await scene.run()
    assert scene.kafka.ids() == Counter({"a": 2, "b": 1})


async def test_what_somebody_has_fetched_by_hand_is_not_read_again(scene, monkeypatch):
    """All letters of a batch are there: its files are left alone."""
    store = failed_batch(scene.emulator, "a")
    await scene.run()
    scene.kafka.values.clear()
    monkeypatch.setattr(failed_batches_fetch, "records_of", None)
    await scene.run()
    assert scene.kafka.ids() == Counter(["a"])
    assert any(one.failed_records for one in store.batches.values())
