"""Which letters a replay sends, and the reason for each that stays."""

from bridge.kafka.dead_letters.replay import Replayed, _choose
from bridge.kafka.dead_letters.stored_letters import Filter, Stored
from bridge.model.dead_letter import DeadLetter
from bridge.sources.moengage.decoder import DECODER


def test_replay_skips_what_was_round_too_often_and_counts_why():
    """Loop guard, filter, truncated letters and the maximum: each letter is sent or has a reason to stay."""
    letters = [
        DeadLetter(b"k", b'{"event_uuid": "1", "event_code": "A"}', "deliver", "aep_400", "", topic="src"),
        DeadLetter(b"k", b"{}", "deliver", "aep_400", "", replays=3),
        DeadLetter(b"k", b"x", "receive", "too_large", "", truncated_from=9),
        DeadLetter(b"k", b"{}", "map", "other", ""),
        DeadLetter(b"k", b"{}", "deliver", "aep_400", ""),
    ]
    batch = [Stored(0, 10 + n, letter, letter.to_headers()) for n, letter in enumerate(letters)]
    done = Replayed()
    chosen = _choose(batch, Filter(), done, topic="events", most=None, max_replays=3)
    assert chosen.upto == 15
    assert {topic: len(some) for topic, some in chosen.records.items()} == {"src": 1, "events": 2}
    assert dict(done.kept) == {"replayed already as often as is allowed": 1, "truncated": 1}
    assert chosen.records["src"][0][1][2] == [("bridge.replays", b"1")]
    done = Replayed()
    chosen = _choose(batch, Filter(code="aep_400"), done, topic="events", most=1, max_replays=3)
    assert (chosen.upto, done.sent.total()) == (11, 1)
    assert Filter(event_code="A").fits(letters[0], DECODER)
    assert not Filter(event_code="B").fits(letters[0], DECODER)
    assert Filter().name == ""
    assert Filter(code="a").name != Filter(code="b").name


def test_a_letter_too_large_for_its_topic_does_not_stop_a_replay():
    """The dead-letter topic may take more than the event topic: such a letter is left, its neighbours go."""
    batch = [
        Stored(0, n, DeadLetter(None, value, "receive", "too_large", "large"), [])
        for n, value in enumerate([b"a" * 500, b"b", b"c" * 500])
    ]
    done = Replayed()
    chosen = _choose(batch, Filter(), done, topic="events", most=None, max_replays=3, limit={"events": 100}.__getitem__)
    assert (chosen.upto, chosen.left) == (3, [0, 2])
    assert [value for _, (_, value, _) in chosen.records["events"]] == [b"b"]
    assert (done.sent.total(), dict(done.kept)) == (1, {"larger than the topic accepts": 2})
