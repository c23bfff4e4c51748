"""Several routes behind one port of the receiver: each with its path, its credentials, its store and its troubles."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import httpx
import orjson
import pytest
import structlog
from awaiting import until
from memory_store import MemoryStore
from prometheus_client import generate_latest

from bridge.kafka.producer.publisher import KafkaPublisher
from bridge.routes.receiving import paths
from bridge.routes.reception import Stores, in_flight_bytes
from bridge.settings import KafkaSettings, ReceiverSettings, TelemetrySettings, load_deployment
from bridge.sources.http.body import BodyMemory
from bridge.sources.http.endpoint import Receiver
from bridge.sources.http.listener import Listener
from bridge.sources.http.reception import Reception
from bridge.sources.moengage.decoder import DECODER
from bridge.sources.moengage.posting import STREAMS
from bridge.telemetry.health import Health, TelemetryServer
from bridge.telemetry.metrics import Metrics, ReceptionMetrics

EVENT = {"event_code": "X", "event_uuid": "u-1", "uid": "user", "event_time": 5}
NAMES = ("eu", "us", "open")


class _Routes:
    """Three routes: two with credentials, one for everybody from an address that is not ours."""

    def __init__(self, **settings):
        self.settings = settings

    async def __aenter__(self):
        self.metrics = ReceptionMetrics(NAMES)
        self.stores = {name: MemoryStore() for name in NAMES}
        listening = {"host": "127.0.0.1", "port": 0, "confirm_timeout_seconds": 0.5, **self.settings}
        made = {
            name: ReceiverSettings(**{"auth": "basic", "username": name, "password": f"pass-{name}", **listening})
            for name in NAMES[:2]
        } | {"open": ReceiverSettings(**listening | {"auth": "none", "allow_from": "10.0.0.0/8"})}
        receivers = {
            f"{STREAMS.path}/{name}": Receiver(
                settings,
                self.stores[name],
                self.metrics.of_route[name],
                STREAMS,
                DECODER,
                path=f"{STREAMS.path}/{name}",
                named=True,
                budget=BodyMemory(in_flight_bytes(settings, len(made))),
            )
            for name, settings in made.items()
        }
        self.receivers = {receiver.route: receiver for receiver in receivers.values()}
        reception = Reception(receivers, self.metrics.of_none, [STREAMS])
        self._stack = AsyncExitStack()
        listener = await self._stack.enter_async_context(Listener(made["eu"], reception))
        self._client = await self._stack.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.port}", trust_env=False)
        )
        return self

    async def __aexit__(self, *error):
        await self._stack.aclose()

    async def post(self, path, who, body=None):
        """Status of an event posted there."""
        body = orjson.dumps(EVENT) if body is None else body
        return (await self._client.post(path, content=body, auth=(who, f"pass-{who}"))).status_code

    def count(self, route, status):
        """Requests of a route that were answered so."""
        registry = self.metrics.of_route[route].registry
        return registry.get_sample_value("bridge_receiver_requests_total", {"status": str(status)})


async def test_each_path_stores_for_its_route_with_its_credentials():
    """What is posted to a route's path lies in its store alone; another route's credentials are refused there, by name."""
    async with _Routes() as routes:
        with structlog.testing.capture_logs() as logs:
            assert await routes.post(f"{STREAMS.path}/eu", "eu") == 200
            assert await routes.post(f"{STREAMS.path}/us/", "us") == 200
            assert await routes.post(f"{STREAMS.path}/us", "eu") == 401
            assert await routes.post(f"{STREAMS.path}/open", "eu") == 403
        assert [len(routes.stores[name].events) for name in NAMES] == [1, 1, 0]
        assert (routes.count("us", 401), routes.count("eu", 401)) == (1, 0)
        assert routes.count("open", 403) == 1
    told = {line["event"]: line["route"] for line in logs if "route" in line}
    assert told == {"wrong_credentials": "us", "address_refused": "open"}


@pytest.mark.parametrize("path", [STREAMS.path, f"{STREAMS.path}/xx", "/elsewhere"])
async def test_a_wrong_path_is_told_by_whose_credentials_it_came_with(path):
    """404, counted for the route whose credentials the caller has and for no other; nothing is counted for a stranger."""
    async with _Routes() as routes:
        with structlog.testing.capture_logs() as logs:
            assert await routes.post(path, "us") == 404
            assert await routes.post(path, "nobody") == 404
        assert [routes.count(name, 404) for name in NAMES] == [0, 1, 0]
    assert [(line["route"], line["expected"]) for line in logs if line["event"] == "wrong_path"] == [
        ("us", f"{STREAMS.path}/us")
    ]


async def test_credentials_tell_more_than_an_endpoint_that_asks_for_none():
    """A wrong path with a route's credentials is that route's also where another lets everybody in; a stranger's is the other's."""
    async with _Routes() as routes:
        everybody = Receiver(
            ReceiverSettings(auth="none", host="127.0.0.1"),
            routes.stores["open"],
            Metrics("all"),
            STREAMS,
            DECODER,
            path="/all",
            named=True,
        )
        reception = Reception(
            {"/all": everybody, f"{STREAMS.path}/us": routes.receivers["us"]}, routes.metrics.of_none, [STREAMS]
        )
        async with Listener(ReceiverSettings(host="127.0.0.1", port=0), reception) as listener:
            routes._client.base_url = f"http://127.0.0.1:{listener.port}"
            assert [await routes.post("/elsewhere", who) for who in ("us", "nobody")] == [404, 404]
        counted = everybody._metrics.registry.get_sample_value("bridge_receiver_requests_total", {"status": "404"})
        assert (routes.count("us", 404), counted) == (1, 1)


@pytest.mark.parametrize(
    ("posted", "route"),
    [("us/extra", "us"), ("us2", "us"), ("US", "eu"), ("eu%2Fx", "eu"), ("us%20", "us")],
)
async def test_of_routes_with_the_same_credentials_the_nearest_path_is_named(posted, route):
    """Credentials that all routes inherit tell nothing: the sender is told of the path that is most like its own."""
    async with _Routes(username="all", password="pass-all") as routes:
        with structlog.testing.capture_logs() as logs:
            assert await routes.post(f"{STREAMS.path}/{posted}", "all") == 404
        assert [(line["route"], line["expected"]) for line in logs if line["event"] == "wrong_path"] == [
            (route, f"{STREAMS.path}/{route}")
        ]
        assert routes.count(route, 404) == 1


async def test_a_store_that_fails_troubles_its_route_alone():
    """One route's brokers are away: 503 there, 200 elsewhere, and only its readiness goes."""
    async with _Routes() as routes:
        routes.stores["eu"].failing = True
        routes.stores["open"].gate.clear()
        assert await routes.post(f"{STREAMS.path}/eu", "eu") == 503
        assert await routes.post(f"{STREAMS.path}/us", "us") == 200
        assert routes.receivers["eu"].trouble()
        assert routes.receivers["us"].trouble() is None


async def test_troubles_with_brokers_name_their_route():
    """Two routes whose brokers are away, connecting in one process: each line says for which route it was tried."""
    away = KafkaSettings(bootstrap_servers=["127.0.0.1:9"])
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        async with Stores({name: KafkaPublisher(away, route=name) for name in NAMES[:2]}):
            await until(lambda: sum(line["event"] == "kafka_unreachable" for line in logs) >= 4)
    assert {line.get("route") for line in logs if line["event"] == "kafka_unreachable"} == set(NAMES[:2])


async def test_what_a_store_logs_names_the_route_of_the_request():
    """A line of the publisher's, written while a request is answered, belongs to that request's route."""
    async with _Routes() as routes:
        store, keep = structlog.get_logger("store"), routes.stores["us"].store

        async def telling(*given, **more):
            store.warning("records_refused")
            return await keep(*given, **more)

        routes.stores["us"].store = telling
        with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
            assert await routes.post(f"{STREAMS.path}/us", "us") == 200
        assert [line["route"] for line in logs if line["event"] == "records_refused"] == ["us"]


async def test_dead_letters_name_their_route():
    """A body that is no event becomes a dead letter of the route whose path it was posted to."""
    async with _Routes() as routes:
        answer = await routes._client.post(f"{STREAMS.path}/us", content=b"no json", auth=("us", "pass-us"))
        assert answer.status_code == 200
        assert [letter.route for letter in routes.stores["us"].dead_letters] == ["us"]


async def test_bodies_that_wait_for_one_routes_brokers_take_no_memory_of_another():
    """Each route has its part of the memory for bodies: while one's store hangs and its part is full, another's go on."""
    async with _Routes(max_in_flight_bytes=3_000_000, max_body_bytes=1_000_000, confirm_timeout_seconds=5) as routes:
        routes.stores["eu"].gate.clear()
        body = orjson.dumps({**EVENT, "note": "x" * 400_000})
        answers = [asyncio.create_task(routes.post(f"{STREAMS.path}/eu", "eu", body=body)) for _ in range(6)]
        assert await next(asyncio.as_completed(answers)) == 503
        assert routes.receivers["eu"]._budget.used > 0
        assert await routes.post(f"{STREAMS.path}/us", "us", body=body) == 200
        routes.stores["eu"].gate.set()
        assert {await answer for answer in answers} == {200, 503}
    whole = ReceiverSettings(max_in_flight_bytes=3_000_000, max_body_bytes=2_000_000)
    assert [in_flight_bytes(whole, routes) for routes in (1, 3)] == [3_000_000, 2_000_000]


async def test_metrics_of_all_routes_are_one_text():
    """Each family once, each sample with its route; what is for none has the label "-"."""
    async with _Routes() as routes:
        await routes.post(f"{STREAMS.path}/eu", "eu")
        text = generate_latest(routes.metrics.registry).decode()
    assert 'bridge_received_events_total{route="eu"} 1.0' in text
    assert 'bridge_received_events_total{route="us"} 0.0' in text
    assert 'bridge_received_events_total{route="-"} 0.0' in text
    types = [line for line in text.splitlines() if line.startswith("# TYPE ")]
    assert len(types) == len(set(types))


async def test_readiness_does_not_hang_on_one_route():
    """Ready and degraded while one route has no trouble; unready when all have."""
    health, troubles = Health(), {"eu": "away", "us": None}
    for name in ("eu", "us"):
        health.watch_route(name, "kafka", lambda name=name: troubles.get(name))
    async with (
        TelemetryServer(TelemetrySettings(port=0), ReceptionMetrics(troubles), health) as server,
        httpx.AsyncClient() as client,
    ):
        url = f"http://127.0.0.1:{server.port}/health/ready"
        answer = await client.get(url)
        assert (answer.status_code, answer.json()) == (
            200,
            {"status": "ready", "degraded": {"kafka (route eu)": "away"}},
        )
        assert (health.route_is_well("eu"), health.route_is_well("us")) == (False, True)
        troubles["us"] = "gone"
        answer = await client.get(url)
        assert answer.status_code == 503
        assert answer.json()["reasons"] == {"kafka (route eu)": "away", "kafka (route us)": "gone"}
        troubles["eu"] = troubles["us"] = None
        assert (await client.get(url)).json() == {"status": "ready"}


def test_the_path_without_a_name_is_the_defaults_or_the_only_ones(tmp_path, monkeypatch):
    """POST /moengage/streams is of the route default, or of the only one; with several others it is nobody's."""
    monkeypatch.chdir(tmp_path)
    expected = {
        "": {STREAMS.path: "default"},
        "[routes.a]": {STREAMS.path: "a", f"{STREAMS.path}/a": "a"},
        "[routes.a]\n[routes.b]": {f"{STREAMS.path}/a": "a", f"{STREAMS.path}/b": "b"},
        "[routes.a]\n[routes.default]": {
            STREAMS.path: "default",
            f"{STREAMS.path}/a": "a",
            f"{STREAMS.path}/default": "default",
        },
    }
    for text, found in expected.items():
        (tmp_path / "bridge.toml").write_text(text, encoding="utf-8")
        assert paths(load_deployment().routes) == found
