"""The floor: aiokafka, orjson, a hand-written mapping and aiohttp, and not one guarantee.

Offsets are committed by the clock whatever became of the events, an answer is read and not looked at, a failure ends the
process, and whatever an event holds that the mapping does not expect ends it too.
"""

from __future__ import annotations

import asyncio
import gc

import aiohttp
import orjson
import uvloop
from aiokafka import AIOKafkaConsumer

from bench.handwritten import build
from bench.peers.order import read_order

BATCH_BYTES = 1_000_000
IN_FLIGHT = 16
LINGER = 0.5


async def main() -> None:
    order = read_order()
    head, tail = order.head, order.tail
    consumer = AIOKafkaConsumer(
        order.topic, bootstrap_servers=order.bootstrap, group_id=order.group, auto_offset_reset="earliest"
    )
    loads, dumps = orjson.loads, orjson.dumps
    room = asyncio.Semaphore(IN_FLIGHT)
    tasks: set[asyncio.Task] = set()
    items: list[bytes] = []
    size, opened = 0, 0.0
    clock = asyncio.get_running_loop().time
    async with aiohttp.ClientSession(headers=order.headers) as session:

        async def post(body: bytes) -> None:
            try:
                async with session.post(order.url, data=body) as response:
                    await response.read()
                    response.raise_for_status()
            finally:
                room.release()

        async def send() -> None:
            nonlocal items, size
            body = b'{"messages":[' + b",".join(items) + b"]}"
            items, size = [], 0
            await room.acquire()
            task = asyncio.create_task(post(body))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        await consumer.start()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        while True:
            fetched = await consumer.getmany(timeout_ms=100, max_records=4_000)
            for records in fetched.values():
                for record in records:
                    item = head + dumps(build(loads(record.value))) + tail
                    if size + len(item) > BATCH_BYTES:
                        await send()
                    if not items:
                        opened = clock()
                    items.append(item)
                    size += len(item) + 1
            if items and clock() - opened > LINGER:
                await send()


if __name__ == "__main__":
    uvloop.run(main())
