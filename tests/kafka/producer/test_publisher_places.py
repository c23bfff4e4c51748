"""Where does a record go? The topic that is known, and the partition that is named or that its key decides."""

from __future__ import annotations

from published_records import publisher_place
from stub_kafka import StubKafka, publisher_on


async def test_records_go_to_the_partition_that_is_named() -> None:
    """Whatever their keys; without a value a compacted topic forgets the key; a topic that is not there is not known."""
    kafka = StubKafka(topics=("events", "dead", "state"), partitions=4)
    publisher = publisher_on(kafka)
    await publisher.publish([(b"a", b"1", ()), (b"b", b"2", ()), (b"a", None, ())], topic="state", partition=3)
    assert kafka.places == [(3, b"a"), (3, b"b"), (3, b"a")]
    assert kafka.values("state") == [b"1", b"2", None]
    assert publisher.knows("state")
    assert not publisher.knows("gone")
    assert kafka.refreshes == 1


async def test_a_topic_of_one_partition_is_known() -> None:
    """The smallest that there is."""
    assert publisher_on(StubKafka(partitions=1)).knows("events")


async def test_a_key_decides_about_the_partition_as_with_every_other_client() -> None:
    """Records of one key lie in one partition, the one that Kafka's own clients choose; those without a key stay together."""
    kafka = StubKafka(partitions=5)
    publisher = publisher_on(kafka)
    keys = [b"user-%d" % n for n in range(50)]
    await publisher.publish([(key, b"%d" % n, ()) for n, key in enumerate(keys)])
    assert sorted(kafka.places) == sorted((publisher_place(publisher, key), key) for key in keys)
    assert {key: place for place, key in kafka.places}[b"user-0"] == 3, "also after an upgrade"
    kafka.places.clear()
    await publisher.publish([(None, b"%d" % n, ()) for n in range(50)])
    assert len({place for place, _ in kafka.places}) == 1
