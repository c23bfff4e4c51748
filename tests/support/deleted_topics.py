"""Fetching over a topic that a test deletes and makes again."""

from stub_client import Log, StubClient

from bridge.kafka.consumer.client.fetching import Fetching

P0, P1 = ("t", 0), ("t", 1)


def fetching_of(*partitions, **how):
    """Client and fetching of an assignment that has just begun."""
    client = StubClient(*partitions)
    fetching = Fetching(client, lambda: 0.0, **how)
    client.assign()
    fetching.assigned()
    return client, fetching


def make_again(client, partition, count, *, identity=b"second", position=None):
    """The topic is made again, with ``count`` records in this partition; the group's offsets went with it."""
    client.identity = identity
    client.stored.clear()
    client.logs[partition] = log = Log(position=client.logs[partition].position if position is None else position)
    log.append(count)


async def read_offsets(fetching, most=100):
    """Offsets of the first partition that one fetch gives."""
    fetch = await fetching.fetch({P0}, 0.01, most)
    found = fetch.records.get(P0)
    return [] if found is None else [row.offset for row in found.rows]
