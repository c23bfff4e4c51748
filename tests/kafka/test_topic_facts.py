"""What of a topic's configuration loses events, and what the bridge gives the topics that it makes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.kafka.topic_facts import TopicFacts, judge, judge_all
from bridge.kafka.topics import _configuration
from bridge.settings import KafkaSettings

KAFKA = KafkaSettings(topic="events", dead_letter_topic="dead")
DAY = 86_400_000
GOOD = TopicFacts(
    "events",
    12,
    3,
    3,
    3,
    cleanup_policy="delete",
    message_bytes=16_000_000,
    timestamps="LogAppendTime",
    min_in_sync=2,
    retention_bytes=-1,
    retention_ms=7 * DAY,
)
DEAD = replace(GOOD, name="dead", retention_ms=30 * DAY)


def found(facts: TopicFacts) -> list[tuple[str, bool, bool]]:
    """Names of the findings, which are fatal, and which fail a check."""
    return [(each.name, each.fatal, each.fails) for each in judge(facts, KAFKA)]


def test_a_good_topic_is_good() -> None:
    """Three replicas, two of which confirm, deletion by time, the broker's clock: nothing to say."""
    assert found(GOOD) == found(DEAD) == []
    assert [findings for _, findings in judge_all({"events": GOOD, "dead": DEAD}, KAFKA)] == [[], []]


@pytest.mark.parametrize("facts", [GOOD, DEAD])
@pytest.mark.parametrize("policy", ["compact", "compact,delete", "delete,compact"])
def test_compaction_is_fatal(facts, policy) -> None:
    """Of event topic and dead-letter topic, alone and beside deletion, with the command that ends it."""
    (finding,) = judge(replace(facts, cleanup_policy=policy), KAFKA)
    assert (finding.name, finding.fatal, finding.fails) == ("topic_compacted", True, True)
    assert f"--entity-name {facts.name} --add-config cleanup.policy=delete" in finding.fix


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"min_in_sync": 1}, [("topic_not_durable", False, False)]),
        ({"min_in_sync": 1, "replicas": 2, "in_sync": 2, "brokers": 2}, []),
        ({"min_in_sync": 1, "replicas": 1, "in_sync": 1, "brokers": 1}, []),
        ({"min_in_sync": 1, "replicas": 1, "in_sync": 1, "brokers": 2}, [("topic_not_replicated", False, False)]),
        ({"replicas": 2, "in_sync": 2}, [("topic_not_replicated", False, False)]),
        ({"in_sync": 2}, [("topic_lacks_replicas", False, False)]),
        ({"in_sync": 1}, [("topic_lacks_replicas", False, True)]),
        ({"retention_ms": -1}, []),
        ({"retention_ms": DAY}, []),
        ({"retention_ms": DAY - 1}, [("topic_forgets_early", False, False)]),
        ({"retention_ms": 0}, [("topic_forgets_early", False, False)]),
        ({"retention_bytes": 0}, [("topic_forgets_by_size", False, False)]),
        ({"retention_bytes": 10**9}, [("topic_forgets_by_size", False, False)]),
        ({"timestamps": "CreateTime"}, [("topic_trusts_our_clock", False, False)]),
    ],
)
def test_each_risk_is_named(change, expected) -> None:
    """What may lose events is told and stops nothing; what cannot be written to fails a check."""
    assert found(replace(GOOD, **change)) == expected


def test_dead_letters_are_kept_as_long_as_the_setting_says() -> None:
    """The event topic's week is too short for the letters; the fix names the setting's time."""
    (finding,) = judge(replace(DEAD, retention_ms=30 * DAY - 1), KAFKA)
    assert finding.name == "topic_forgets_early"
    assert f"retention.ms={30 * DAY}" in finding.fix
    assert (
        list(judge(replace(DEAD, retention_ms=7 * DAY), KAFKA.model_copy(update={"dead_letter_retention_days": 7})))
        == []
    )


def test_letters_that_would_be_cut_are_told_before() -> None:
    """A dead-letter topic that takes less than the event topic."""
    small = replace(DEAD, message_bytes=1_048_588)
    told = {
        facts.name: [each.name for each in findings]
        for facts, findings in judge_all({"events": GOOD, "dead": small}, KAFKA)
    }
    assert told == {"events": [], "dead": ["topic_cuts_letters"]}
    nothing = replace(DEAD, message_bytes=0)
    (cut,) = [each for _, findings in judge_all({"events": GOOD, "dead": nothing}, KAFKA) for each in findings]
    assert cut.words.startswith("takes 0 bytes")


def test_what_is_not_told_is_not_judged() -> None:
    """Without the right to describe configurations there are replicas to look at, and nothing else."""
    assert found(TopicFacts("events", 12, 3, 3, 3)) == []
    assert [
        findings for _, findings in judge_all({"events": TopicFacts("events", 1, 1, 1, 1), "dead": DEAD}, KAFKA)
    ] == [[], []]


def test_the_facts_in_a_line() -> None:
    """What a person wants to see of a topic."""
    assert GOOD.words == "12 partitions, 3 replicas (3 in sync), min.insync.replicas 2, cleanup delete, kept 7 days"
    assert "kept for ever" in replace(GOOD, retention_ms=-1).words


def test_topics_that_are_made_are_durable() -> None:
    """Two brokers confirm where there are three; letters are kept a month; what is made is what is found good."""
    three = KAFKA.model_copy(update={"replication_factor": 3})
    assert _configuration(three, "events")["min.insync.replicas"] == "2"
    assert "min.insync.replicas" not in _configuration(KAFKA, "events")
    assert _configuration(three, "dead")["retention.ms"] == str(30 * DAY)
    assert "retention.ms" not in _configuration(three, "events")
    assert _configuration(three, "events")["cleanup.policy"] == "delete"
