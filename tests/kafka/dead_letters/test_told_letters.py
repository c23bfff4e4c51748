"""What the log tells of stored dead letters: once a minute by stage and code, and nothing of an event."""

import asyncio

from awaiting import until
from letter_scene import LetterTopic, letters_over
from structlog.testing import capture_logs
from virtual_time import in_virtual_time

from bridge.model.verdicts import Rejected, Stage
from bridge.testing.virtual_loop import VirtualLoop

NO = Rejected(Stage.DELIVER, "aep_400", "refused")


@in_virtual_time
async def test_the_log_tells_once_a_minute_what_was_stored():
    """The first at once, then by stage and code once a minute, the rest at the end; nothing of an event in it."""
    now = [1_000.0]
    topic = LetterTopic()
    _, chunk, letters = letters_over(topic, [b"secret"] * 6)
    letters._clock = lambda: now[0]
    with capture_logs() as logged:
        letters.start()
        for row in range(5):
            if row == 4:
                now[0] += 61
            letters.put(chunk, row, None, NO, 1)
            await until(lambda: len(letters) == 0)
        letters.put(chunk, 5, None, Rejected(Stage.MAP, "other", "why"), 1)
        await until(lambda: len(letters) == 0)
        await letters.stop()
    told = [(each["stage"], each["code"], each["count"]) for each in logged if each["event"] == "dead_letters_stored"]
    assert told == [("deliver", "aep_400", 1), ("deliver", "aep_400", 4), ("map", "other", 1)]
    assert "secret" not in str(logged)


@in_virtual_time
async def test_what_was_stored_is_told_without_a_next_letter(monkeypatch):
    """A quiet worker tells the last ones too, a minute after it told before."""
    monkeypatch.setattr("bridge.kafka.dead_letters.store._TOLD_SECONDS", 0.1)
    _, chunk, letters = letters_over(LetterTopic(), [b"x"] * 2)
    with capture_logs() as logged:
        letters.start()
        for row in range(2):
            letters.put(chunk, row, None, NO, 1)
            await asyncio.sleep(0.01)
        await until(lambda: sum(each["event"] == "dead_letters_stored" for each in logged) == 2)
        await letters.stop()
    assert len([each for each in logged if each["event"] == "dead_letters_stored"]) == 2


@in_virtual_time
async def test_what_is_cut_is_told_with_its_place_and_size():
    """The log names the record, so that its whole can be looked for; not a byte of it."""
    topic = LetterTopic(limit=1_000)
    _, chunk, letters = letters_over(topic, [b"secret" * 1_000])
    with capture_logs() as logged:
        letters.start()
        letters.put(chunk, 0, None, NO, 1)
        await until(lambda: len(letters) == 0)
        await letters.stop()
    (line,) = [line for line in logged if line["log_level"] == "error"]
    assert (line["bytes"], line["topic"], line["partition"], line["offset"]) == (6_000, "t", 0, 0)
    assert "secret" not in str(logged)


def test_a_letter_after_a_quiet_time_is_told_at_once():
    """The minute counts from the last line that said something; within it the next ones wait for its end."""
    told = []

    async def main():
        clock = asyncio.get_running_loop().time
        _, chunk, letters = letters_over(LetterTopic(), [b"x"] * 3)
        letters.start()
        with capture_logs() as logged:
            for row, pause in enumerate((100, 20, 100)):
                letters.put(chunk, row, None, NO, 1)
                before = clock()
                while clock() < before + pause:
                    await asyncio.sleep(1)
                    told.append(sum(line["event"] == "dead_letters_stored" for line in logged))
        await letters.stop()

    loop = VirtualLoop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
    assert told == [1] * 100 + [2] * 20 + [2] * 39 + [3] * 61
