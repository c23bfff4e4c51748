"""Fetching over a client whose logs a test holds, and what comes of it."""

from stub_client import StubClient

from bridge.kafka.consumer.client.fetching import Fetching


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self):
        """Seconds."""
        return self.now


def made_fetching(*partitions, **how):
    """Client, fetching and clock of an assignment that has just begun."""
    client, clock = StubClient(*partitions), Clock()
    fetching = Fetching(client, clock, **how)
    client.assign()
    fetching.assigned()
    return client, fetching, clock


def offsets_in(fetch, partition):
    """The offsets of the records that one fetch gave of a partition."""
    return [row.offset for row in fetch.records[partition].rows]
