"""How long may brokers keep a fetch, and what ends the wait for it?"""

import asyncio
import contextlib
import inspect

from aiokafka.consumer.fetcher import Fetcher
from thread_scene import PARTITIONS, IdleClient
from virtual_time import in_virtual_time


@in_virtual_time
async def test_only_who_has_nothing_to_do_lets_the_brokers_keep_a_fetch():
    """Records are held that were not asked for: the next fetch is kept briefly. Nothing anywhere: as long as Faust wants."""
    client = IdleClient()
    kept = []
    for held in ({}, {PARTITIONS[1]: "records"}, {}):
        client.fetcher._records = held
        await client.fetching.fetch({PARTITIONS[0]}, 0.01, 10)
        kept.append(client.fetcher._fetch_max_wait_ms)
    assert kept == [1_500, 50, 1_500]


@in_virtual_time
async def test_an_idle_worker_with_more_partitions_than_room_does_not_spin():
    """Room for one full fetch and two partitions: with nothing to read the client is asked about once a second, not fifty times."""
    client = IdleClient(max_bytes=1_000_000)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            while True:
                await client.round()
    assert client.asked <= 2
    await asyncio.sleep(0)
    assert not client.fetcher._fetch_waiters


@in_virtual_time
async def test_what_comes_for_a_partition_that_was_not_asked_ends_the_wait():
    """It may be its turn now; and from here on the brokers must not keep a fetch for the others."""
    client = IdleClient()
    fetching = asyncio.create_task(client.fetching.fetch({PARTITIONS[0]}, 1.0, 10))
    await asyncio.sleep(0.05)
    assert not fetching.done()
    client.receive(PARTITIONS[1])
    received = asyncio.get_running_loop().time()
    assert (await fetching).records == {}
    assert asyncio.get_running_loop().time() == received
    assert client.fetcher._fetch_max_wait_ms == 50


def test_the_installed_client_asks_the_brokers_as_told():
    """The fetcher reads how long a fetch may be kept when it makes one; another version might keep a copy."""
    source = inspect.getsource(Fetcher._get_actions_per_node)
    assert "self._fetch_max_wait_ms" in source
