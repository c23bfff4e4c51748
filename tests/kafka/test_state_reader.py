"""A reader of a state topic that goes on from where it was sees every record, also of a topic that grows meanwhile."""

from __future__ import annotations

from types import SimpleNamespace

from aiokafka import TopicPartition

from bridge.kafka.consumer.client.kafka_client import PolledRecords
from bridge.kafka.route_state.state_reader import StateReader
from bridge.settings import KafkaSettings


def test_what_lies_behind_the_end_is_read_the_next_time():
    """Records that were fetched along with what was asked for are given when they are asked for, not passed over."""
    rows = [SimpleNamespace(offset=offset, key=b"k%d" % offset, value=b"v") for offset in range(5)]
    client = SimpleNamespace(poll=lambda _partition, _most: PolledRecords(rows, 0, 5))
    batch = StateReader(KafkaSettings(), "state")._poll(client, TopicPartition("state", 0), 3)
    assert [key for key, _ in batch.entries] == [b"k0", b"k1", b"k2"]
    assert batch.next_offset == 3
