"""The demo of two routes: two workspaces to two sandboxes by one receiver and one worker command, AEP away for one of them."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.demo.stage import STATE, running, settings_of, wait_ready
from bridge.demo.story import Scene
from bridge.emulators.adobe import Emulator
from bridge.settings import variable
from bridge.settings.tree import route_variable
from bridge.testing.kafka.embedded import EmbeddedKafka

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

ROUTES = ("eu", "us")
_OF_A_ROUTE = {
    "kafka": ("topic", "dead_letter_topic"),
    "aep": ("endpoint",),
    "oauth": ("token_url",),
    "receiver": ("username", "password"),
}


@asynccontextmanager
async def open_routes(tell: Callable[[str], None]) -> AsyncIterator[dict[str, Scene]]:
    """Start every part, ``tell`` each in a line, and give a scene a route; all is ended in order afterwards."""
    topics = [f"bridge.{name}{kind}" for name in ROUTES for kind in ("", ".dead-letters")]
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aep-bridge-demo-")))
        kafka = stack.enter_context(EmbeddedKafka(*topics, STATE))
        tell(f"embedded Kafka-protocol broker at {kafka.bootstrap}, topics {', '.join(topics)}")
        emulators: dict[str, Emulator] = {}
        settings: dict[str, str] = {}
        for name in ROUTES:
            emulator = emulators[name] = await stack.enter_async_context(Emulator())
            tell(f"AEP emulator of sandbox {name} at {emulator.url}")
            settings |= _with_route(settings_of(kafka.bootstrap, emulator), name)
        parts = {
            name: await stack.enter_async_context(running(name, settings, folder)) for name in ("receiver", "worker")
        }
        await wait_ready(*parts.values())
        receiver = f"http://127.0.0.1:{settings[variable('receiver', 'port')]}"
        for name in ROUTES:
            tell(f"route {name}: {receiver}/moengage/streams/{name}, topic bridge.{name}, a worker process of its own")
        scenes = {
            name: Scene(
                receiver=receiver,
                credentials=(f"workspace-{name}", name),
                telemetry={part: command.url for part, command in parts.items()},
                emulator=emulators[name].url,
                route=name,
            )
            for name in ROUTES
        }
        for scene in scenes.values():
            stack.push_async_callback(scene.aclose)
        yield scenes


def _with_route(settings: dict[str, str], route: str) -> dict[str, str]:
    """The settings of a deployment as those of one route of several: what is the route's own under its name."""
    own = {
        variable(section, key): route_variable(route, section, key)
        for section, keys in _OF_A_ROUTE.items()
        for key in keys
    }
    named = {own.get(name, name): value for name, value in settings.items()}
    return named | {
        route_variable(route, "kafka", "topic"): f"bridge.{route}",
        route_variable(route, "kafka", "dead_letter_topic"): f"bridge.{route}.dead-letters",
        route_variable(route, "aep", "sandbox"): route,
        route_variable(route, "receiver", "username"): f"workspace-{route}",
        route_variable(route, "receiver", "password"): route,
    }
