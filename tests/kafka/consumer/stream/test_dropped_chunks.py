"""What becomes of chunks that Faust drops from its stream, and of partitions that it would leave out?"""

import asyncio
import inspect
from types import SimpleNamespace

import pytest
from faust.tables.recovery import Recovery
from faust.types import TP
from thread_scene import PARTITIONS, IdleClient

from bridge.kafka.consumer.stream.transport import ChunkConsumer

pytestmark = pytest.mark.clock


def test_a_full_stream_leaves_no_partition_out():
    """The gate bounds what waits; Faust would leave out single partitions and wait for the others while theirs is here."""
    consumer = object.__new__(ChunkConsumer)
    partition = TP("t", 0)
    consumer._active_partitions = {partition}
    consumer.on_buffer_full(partition)
    assert consumer._active_partitions == {partition}


async def test_what_faust_dropped_from_the_stream_is_handed_on_again():
    """Faust empties the stream whenever it resumes; four chunks lost so would keep the gate closed for ever."""
    client = IdleClient()
    ledger = client.ledger
    consumer = object.__new__(ChunkConsumer)
    consumer.__dict__ |= {
        "consumption": client.consumption,
        "app": SimpleNamespace(consumer_generation_id=1),
        "can_resume_flow": asyncio.Event(),
        "suspend_flow": asyncio.Event(),
        "flow_active": True,
    }
    record = [SimpleNamespace(timestamp=0)]
    chunks = [
        ledger.register_chunk(partition, 0, record, 1, first=first, last=first)
        for first in range(3)
        for partition in PARTITIONS
    ]
    assert not client.gate.open
    ledger.admit(chunks[0], 1)
    consumer.resume_flow()
    ledger.admit(chunks[1], 1)
    handed = [message.value async for _, message in consumer.getmany(timeout=1.0)]
    assert handed == [chunks[2], chunks[4], chunks[3], chunks[5]]
    assert [message async for _, message in consumer.getmany(timeout=1.0)] == [], "once"


def test_the_installed_faust_empties_the_stream_before_it_lets_the_consumer_go_on():
    """Only so does the consumer know what was dropped."""
    source = inspect.getsource(Recovery._resume_streams)
    assert source.index("flow_control.resume()") < source.index("consumer.resume_flow()")
