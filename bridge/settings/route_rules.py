"""What may not stand in the settings of routes: each complaint is one line, by the name under which the key was set."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bridge.model.dead_letter import DEFAULT_ROUTE
from bridge.settings.inheritance import OF_THE_DEPLOYMENT
from bridge.settings.loading import TOML_FILE, every_setting, nearest_setting
from bridge.settings.section import PREFIX, variable
from bridge.settings.tree import ROUTES, Tree, is_route_variable, route_keys, route_variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.settings.routes import Route

SOURCES: Final = ("moengage", "adobe", "mparticle", "warehouse")
DESTINATIONS: Final = ("aep", "moengage")
_AVAILABLE = frozenset(
    {
        ("moengage", "aep"),
        ("moengage", "moengage"),
        ("adobe", "moengage"),
        ("mparticle", "moengage"),
        ("warehouse", "moengage"),
    }
)
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LONGEST_NAME = 40
_TOKEN = "token"  # nosec B105 # noqa: S105 - a part of a path


def wrong_variables(names: set[str]) -> list[str]:
    """Complaints about variables of routes that are no settings."""
    wrong: list[str] = []
    for name in sorted(filter(is_route_variable, names)):
        route, *keys = route_keys(name)
        if (complaint := _wrong_name(route, name)) is not None:
            wrong.append(complaint)
        else:
            wrong += _wrong_key(route, keys)
    return wrong


def wrong_route(name: str, own: Tree) -> Iterator[str]:
    """Complaints about a route's name, keys and pair of kinds, before its values are validated."""
    if (complaint := _wrong_name(name, f"[{ROUTES}.{name}]")) is not None:
        yield complaint
        return
    for section, keys in own.items():
        if section in ("source", "destination"):
            continue
        if not isinstance(keys, dict):
            named = f"[{ROUTES}.{name}.{section}] in {TOML_FILE} must be a section of keys"
            yield from [named] if _is_section(section) else _wrong_key(name, [section])
            continue
        if not keys and not _is_section(section):
            yield from _wrong_key(name, [section])
        for key in keys:
            yield from _wrong_key(name, [section, str(key)])
    source = own.get("source", "moengage")
    destination = own.get("destination", "aep" if source == "moengage" else "moengage")
    for key, value, known_values in (("source", source, SOURCES), ("destination", destination, DESTINATIONS)):
        if value not in known_values:
            yield f"{route_variable(name, key)}: expected one of {', '.join(known_values)}"
    if source in SOURCES and destination in DESTINATIONS and (source, destination) not in _AVAILABLE:
        key = "destination" if source == "moengage" else "source"
        yield f"{route_variable(name, key)}: {source} to {destination} is not available in this version"


def _is_section(name: str) -> bool:
    return any(each.startswith(variable(name, "")) for each in every_setting())


def _wrong_name(route: str, told: str) -> str | None:
    if _NAME.fullmatch(route) and len(route) <= _LONGEST_NAME:
        return None
    return (
        f"{told}: {route[:60]!r} is not a name of a route: small letters and digits, with single dashes between"
        f" (underscores in a variable), at most {_LONGEST_NAME}; for example eu-west"
    )


def _wrong_key(route: str, keys: Sequence[str]) -> Iterator[str]:
    told = route_variable(route, *keys)
    if len(keys) == 1 and keys[0] in ("source", "destination"):
        return
    plain = f"{PREFIX}{'__'.join(keys)}".upper()
    if len(keys) == 2 and plain in every_setting():
        if keys[0] == "telemetry" or (keys[0], keys[1]) in OF_THE_DEPLOYMENT:
            yield f"{told}: it holds for the whole deployment, not for a route: set {plain}"
        return
    near = nearest_setting(plain) if len(keys) > 1 else None
    if near is None and len(keys) == 1 and keys[0][:1] in ("s", "d"):
        near_key = "source" if keys[0].startswith("s") else "destination"
        near = f"{PREFIX}{near_key.upper()}" if len(keys[0]) <= len(near_key) + 2 else None
    meant = near and route_variable(route, *near.removeprefix(PREFIX).split("__"))
    yield f"{told}: no such setting" + (f"; did you mean {meant}?" if meant else "; .env.example names every setting")


def clashes(routes: Sequence[Route]) -> Iterator[str]:
    """What two routes may not share: each needs a path, topics and a consumer group of its own, and no topic holds the bridge's state."""
    topics: dict[str, str] = {}
    groups: dict[str, str] = {}
    states: dict[str, str] = {}
    of_moengage = [route for route in routes if route.source == "moengage"]
    if any(route.name == _TOKEN for route in of_moengage) and any(
        route.settings.receiver.auth == "oauth" for route in of_moengage
    ):
        yield f"[{ROUTES}.{_TOKEN}]: below MoEngage's path {_TOKEN} is where a sender fetches its token: name the route otherwise"
    for route in routes:
        setting = route.own_name(variable("kafka", "state_topic"))
        for topic in (route.settings.kafka.state_topic, route.settings.kafka.state_topic_of(route.name)):
            states.setdefault(topic, setting)
    for route in routes:
        kafka = route.settings.kafka
        for key in ("topic", "dead_letter_topic", "group"):
            seen, value = groups if key == "group" else topics, getattr(kafka, key)
            mine = route.own_name(variable("kafka", key))
            if key != "group" and value in states:
                yield f"{mine} is {value}, where the bridge keeps state of its own ({states[value]}): name another topic"
            if (other := seen.setdefault(value, mine)) != mine:
                what = "consumer group" if key == "group" else "topic"
                yield f"{mine} and {other} are both {value}: each route needs a {what} of its own"


def left_behind(top: Tree) -> Iterator[str]:
    """Complaints about a topic and an endpoint at the top level that no route uses, since ``default`` is not among them."""
    for section, key in (("kafka", "topic"), ("aep", "endpoint")):
        keys = top.get(section)
        if isinstance(keys, dict) and key in keys:
            yield (
                f"{variable(section, key)} is set, but there is no route {DEFAULT_ROUTE}, to which it belonged: add"
                f" [{ROUTES}.{DEFAULT_ROUTE}] (it may be empty) so that its stream lives on, or set it in a route"
            )
