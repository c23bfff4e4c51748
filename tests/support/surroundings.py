"""What stands around a worker, with nothing of the bridge in it: a mock of AEP and IMS, a foreign producer, a plain consumer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web
from confluent_kafka import KafkaException, Producer

from bridge.testing.kafka.offsets import lag_of
from bridge.testing.kafka.stored_records import stored
from bridge.testing.processes import BridgeProcess, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

INLET = "a1b2c3d4" * 8
ORG = "0123456789ABCDEF01234567@AdobeOrg"
SCHEMA = {"id": "https://ns.adobe.com/x/schemas/1", "contentType": "application/vnd.adobe.xed-full+json;version=1"}
SECRET = "p8e-a-secret-of-this-test"
Answer = web.Response | None


class Mock:
    """AEP and IMS in a thread. ``behave(ids, request)`` may answer in their place; ``taken`` are the accepted ids."""

    def __init__(self, behave: Callable[[list[str], web.Request], Answer] = lambda _ids, _request: None) -> None:
        self.behave = behave
        self.requests: list[tuple[float, str, dict[str, str], bytes]] = []
        self.tokens: list[bytes] = []
        self.taken: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application(client_max_size=10_000_000)
        app.router.add_post("/ims/token/v3", self._token)
        app.router.add_post("/{path:.*}", self._collect)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = "http://{}:{}".format(*self._runner.addresses[0])

    async def _token(self, request: web.Request) -> web.Response:
        self.tokens.append(await request.read())
        return web.json_response({"access_token": "a-token", "token_type": "bearer", "expires_in": 86399})

    async def _collect(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append((time.monotonic(), request.path_qs, dict(request.headers), body))
        ids = [message["body"]["xdmEntity"]["_id"] for message in json.loads(body)["messages"]]
        return self.behave(ids, request) or self.answer(ids, {})

    def answer(self, ids: Iterable[str], refused: dict[str, dict[str, Any]]) -> web.Response:
        """A 207 that takes all but the refused."""
        responses = []
        for place, one in enumerate(ids):
            if one not in refused:
                self.taken.append(one)
            responses.append(refused.get(one) or {"xactionId": f"1565650704337:2124:92:{place}"})
        said = {"inletId": INLET, "batchId": "1:2:3", "receivedTimeMs": 1, "responses": responses}
        return web.json_response(said, status=207)


class Scene:
    """Topics, settings and one worker against a mock."""

    def __init__(self, kafka: str, topic: Callable[..., str], folder: Path, mock: Mock, **settings: str) -> None:
        self.kafka, self.mock = kafka, mock
        self.topic, self.dead = topic(partitions=3, compression_type="zstd"), topic("dead", partitions=1)
        known = {
            "KAFKA__BOOTSTRAP_SERVERS": kafka,
            "KAFKA__TOPIC": self.topic,
            "KAFKA__GROUP": self.topic,
            "KAFKA__DEAD_LETTER_TOPIC": self.dead,
            "KAFKA__COMMIT_INTERVAL_SECONDS": "0.3",
            "AEP__ENDPOINT": f"{mock.url}/collection/{INLET}",
            "AEP__ORG_ID": ORG,
            "AEP__SCHEMA_ID": SCHEMA["id"],
            "AEP__DATASET_ID": "0123456789abcdef01234567",
            "AEP__FLOW_ID": "a-flow",
            "AEP__LINGER_SECONDS": "0.2",
            "OAUTH__TOKEN_URL": f"{mock.url}/ims/token/v3",
            "OAUTH__CLIENT_ID": "a-client",
            "OAUTH__CLIENT_SECRET": SECRET,
            "TELEMETRY__LOG_FORMAT": "json",
        }
        self.worker = BridgeProcess(
            ["worker"], {f"BRIDGE_{key}": value for key, value in {**known, **settings}.items()}, directory=folder
        )

    def put(self, records: Iterable[tuple[bytes | None, bytes | None]]) -> None:
        """What another producer writes."""
        producer = Producer({"bootstrap.servers": self.kafka, "compression.type": "zstd"})
        for key, value in records:
            producer.produce(self.topic, value, key)
        assert producer.flush(20) == 0

    def lag(self) -> dict[int, int]:
        """End less committed offset by partition, as the brokers have it."""
        return lag_of(self.kafka, self.topic, self.topic)

    def drained(self) -> None:
        """Wait until all is committed."""

        def all_committed() -> bool:
            # A young broker may not have made the topic of offsets yet.
            with contextlib.suppress(KafkaException):
                return not any(self.lag().values())
            return False

        eventually(all_committed, within=120, what="everything is committed", every=0.3)

    def letters(self) -> dict[str | None, tuple[dict[str, str], bytes | None, bytes]]:
        """Event id -> headers, key and value of its dead letter."""
        found = [({k: v.decode() for k, v in one.headers}, one.key, one.value) for one in stored(self.kafka, self.dead)]
        return {headers.get("bridge.event_uuid"): (headers, key, value) for headers, key, value in found}
