"""What one writes with Quix Streams today: a batching sink that posts with httpx."""

from __future__ import annotations

import httpx
import orjson
from quixstreams import Application
from quixstreams.sinks import BatchingSink, SinkBatch

from bench.handwritten import build
from bench.peers.order import read_order

BATCH = 500
order = read_order()


class Collection(BatchingSink):
    """Posts what came since the last checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self._client = httpx.Client(headers=order.headers, timeout=30)

    def write(self, batch: SinkBatch) -> None:
        """Post in requests of a bounded number of events."""
        for chunk in batch.iter_chunks(n=BATCH):
            items = (order.head + orjson.dumps(item.value) + order.tail for item in chunk)
            body = b'{"messages":[' + b",".join(items) + b"]}"
            self._client.post(order.url, content=body).raise_for_status()


def main() -> None:
    app = Application(
        broker_address=order.bootstrap,
        consumer_group=order.group,
        auto_offset_reset="earliest",
        commit_interval=0.5,
        commit_every=BATCH * 6,
        loglevel="ERROR",
    )
    stream = app.dataframe(app.topic(order.topic, value_deserializer="bytes"))
    stream = stream.apply(lambda value: build(orjson.loads(value)))
    stream.sink(Collection())
    app.run()


if __name__ == "__main__":
    main()
