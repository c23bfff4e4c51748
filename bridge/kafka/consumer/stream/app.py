"""The Faust app: one agent over a stream of chunks, on the transport of :mod:`bridge.kafka.consumer.stream.transport`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faust.app import BootStrategy
from yarl import URL

from bridge.kafka.batches.decompression import bound_client
from bridge.kafka.consumer.gate import FETCH_BYTES
from bridge.kafka.consumer.stream.faust_connection import faust_broker, faust_credentials
from bridge.kafka.consumer.stream.faust_internals import DisklessApp
from bridge.kafka.consumer.stream.transport import ChunkTransport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bridge.kafka.consumer.chunk import Chunk
    from bridge.kafka.consumer.consumption_ports import Finisher, Reporting
    from bridge.kafka.consumer.gate import Gate
    from bridge.kafka.consumer.ledger import Ledger
    from bridge.settings import KafkaSettings


_METADATA_MS = 30_000


class _ConsumerOnly(BootStrategy):
    """No web server, no producer: dead letters have their own publisher."""

    enable_web = False
    enable_kafka_producer = False


def build_app(
    kafka: KafkaSettings,
    *,
    ledger: Ledger,
    gate: Gate,
    finisher: Finisher,
    reading: Reporting,
    process: Callable[[Chunk], Awaitable[None] | None],
    start_tried: Callable[[Exception | None], None],
    set_aside: bool = False,
) -> Any:
    """A ``faust.App`` whose agent hands every chunk to ``process``; commits, pauses and ends by ledger, gate and finisher.

    ``start_tried`` is called with the error of each start of the Kafka client that failed and is tried again, with None after success.
    ``set_aside``: what cannot be read is passed on as unreadable after a few tries, in the place of being tried for ever.
    """
    bound_client()
    app = DisklessApp(
        kafka.group,
        broker=faust_broker(kafka),
        broker_credentials=faust_credentials(kafka),
        store="memory://",
        value_serializer="raw",
        key_serializer="raw",
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",
        # A session longer than the request timeout is refused by Faust's driver.
        broker_session_timeout=kafka.session_timeout_seconds,
        broker_request_timeout=max(kafka.request_timeout_seconds, kafka.session_timeout_seconds + 5),
        broker_heartbeat_interval=kafka.heartbeat_seconds,
        # How long the group waits for members that are alive and do not join again yet, since they drain.
        broker_rebalance_timeout=max(30.0, kafka.session_timeout_seconds * 2),
        broker_commit_interval=kafka.commit_interval_seconds,
        # Our own loop commits by time only.
        broker_commit_every=None,
        consumer_max_fetch_size=FETCH_BYTES,
        # New partitions, and a topic that is made again, are seen within that time.
        consumer_metadata_max_age_ms=_METADATA_MS,
        # Waiting, with a bound, is ours (transport.py); Faust's has none.
        stream_wait_empty=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
        autodiscover=False,
    )
    app.BootStrategy = _ConsumerOnly
    app.boot_strategy = _ConsumerOnly(app)
    app.transport = ChunkTransport(
        [URL(url) for url in faust_broker(kafka).split(";")],
        app,
        ledger=ledger,
        gate=gate,
        finisher=finisher,
        reading=reading,
        set_aside=set_aside,
        start_tried=start_tried,
    )
    topic = app.topic(kafka.topic, value_type=bytes, value_serializer="raw", key_serializer="raw")

    @app.agent(topic, name="bridge", concurrency=1)
    async def bridge(stream: Any) -> None:
        """Admit chunks; nothing raised may leave the loop, or the stream would be rebuilt around lost chunks."""
        async for chunk in stream.noack():
            # Awaiting what is done already would cost each chunk a turn of the loop's bookkeeping.
            if (rest := process(chunk)) is not None:
                await rest

    return app
