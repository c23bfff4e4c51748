"""What one writes with Faust and httpx today: ``stream.take`` and a post for each batch."""

from __future__ import annotations

import faust
import httpx
import orjson

from bench.handwritten import build
from bench.peers.order import read_order

TAKE = 500
order = read_order()
app = faust.App(
    order.group,
    broker=f"kafka://{order.bootstrap}",
    store="memory://",
    value_serializer="raw",
    consumer_auto_offset_reset="earliest",
    topic_disable_leader=True,
    topic_allow_declare=False,
    web_enabled=False,
)
client = httpx.AsyncClient(headers=order.headers, timeout=30)


@app.agent(app.topic(order.topic, value_type=bytes, value_serializer="raw"))
async def deliver(stream):
    async for values in stream.take(TAKE, within=0.5):
        items = (order.head + orjson.dumps(build(orjson.loads(value))) + order.tail for value in values)
        response = await client.post(order.url, content=b'{"messages":[' + b",".join(items) + b"]}")
        response.raise_for_status()


if __name__ == "__main__":
    faust.Worker(app, loglevel="ERROR", redirect_stdouts=False).execute_from_commandline()
