"""Several routes in one deployment: ``[routes.NAME]``, each with the sections it sets itself and the top level's for the rest.

Without routes there is one, ``default``, made of the top-level sections. Once there are routes the top level is only inherited
from, key by key; ``default`` alone takes the names of topics and consumer group from it, so that a stream lives on under it.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dotenv import dotenv_values
from pydantic import ValidationError

from bridge.model.dead_letter import DEFAULT_ROUTE
from bridge.model.errors import SettingsError
from bridge.settings.loading import (
    ENV_FILE,
    TOML_FILE,
    Settings,
    check_files,
    every_setting,
    explain,
    nearest_setting,
    refuse_unknown,
)
from bridge.settings.section import PREFIX, variable
from bridge.settings.tree import (
    ROUTES,
    Given,
    Tree,
    from_document,
    from_variables,
    is_route_variable,
    merged,
    overlay,
    route_keys,
    route_variable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

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
_SHIPPED_SETS = {
    ("adobe", "moengage"): "mappings/adobe_profiles.csv",
    ("mparticle", "moengage"): "mappings/mparticle_events.csv",
    ("warehouse", "moengage"): "mappings/warehouse_{}.csv",
}
"""The mapping set of a route without a path of its own, by source and destination, where it is not that of the settings; of a
warehouse by the kind of its rows."""
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LONGEST_NAME = 40
_OWN_NAMES = {
    "topic": "bridge.{}",
    "dead_letter_topic": "bridge.{}.dead-letters",
    "group": "bridge-{}",
}
"""Keys of ``kafka`` that no named route inherits, and what they are where it does not set them."""
_OF_ONE_KIND = ("path", "schema", "tests")
"""Keys of ``mapping`` that mean nothing for another source or destination."""
_LISTENER = (
    "host",
    "port",
    "tls_certfile",
    "tls_keyfile",
    "tls_key_password",
    "tls_client_cafile",
    "max_body_bytes",
    "max_events",
    "max_in_flight_bytes",
    "max_connections",
    "max_connections_per_address",
    "read_timeout_seconds",
    "trusted_proxies",
)
"""Keys of ``receiver`` that count before it is known which route a request is for."""
_OF_THE_DEPLOYMENT = frozenset({("worker", "processes"), *(("receiver", key) for key in _LISTENER)})
_MENTIONED = re.compile(rf"\b{PREFIX}(?!{ROUTES.upper()}__)[A-Z]+__[A-Z0-9_]+\b")


@dataclass(frozen=True, slots=True)
class Route:
    """A name, a source, a destination, and all settings as they hold for it.

    ``own_names`` are those of its settings, as the top level calls them, that are to be set by the route's own variables.
    ``declared`` is False where the route is the top level, since there are no others.
    """

    name: str
    source: str
    destination: str
    settings: Settings
    own_names: frozenset[str] = frozenset()
    declared: bool = True

    def variable(self, section: str, key: str) -> str:
        """The variable that sets a key for this route, whatever else is set."""
        return route_variable(self.name, section, key) if self.declared else variable(section, key)

    def named(self, text: str) -> str:
        """``text`` with every setting under the name by which it is set for this route."""
        return _MENTIONED.sub(lambda found: _own_name(self.name, found[0], self.own_names), text)


@dataclass(frozen=True, slots=True)
class Deployment:
    """Every route, in the order in which they are written; ``declared`` is False where there is none but the top level."""

    routes: tuple[Route, ...]
    declared: bool

    @property
    def common(self) -> Settings:
        """Settings of which only what no route may set is to be used: telemetry, processes, the receiver's listener."""
        return self.routes[0].settings

    def sharing_organisation(self, route: Route) -> int:
        """How many routes, this one included, send to its organisation, whose rate limits they share."""
        return sum(1 for other in self.routes if _organisation(other) == _organisation(route))


def _organisation(route: Route) -> tuple[str, str | None]:
    if route.destination == "moengage":
        moengage = route.settings.moengage
        return (route.destination, f"{moengage.url} {moengage.workspace_id}")
    aep = route.settings.aep
    return (route.destination, aep.org_id or aep.endpoint)


class _Merged(Settings):
    """Settings of one route, of values that were read and merged before."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What it is given, and nothing else."""
        return (init_settings,)


def shipped_set(source: str, destination: str, rows: str = "users") -> Path | None:
    """The mapping set of a route between them that names none, where it is not the settings' own; ``rows``: a warehouse's kind."""
    path = _SHIPPED_SETS.get((source, destination))
    return None if path is None else Path(path.format(rows))


def load_deployment(**overrides: Any) -> Deployment:
    """Every route from environment, ``.env`` and ``bridge.toml``; ``overrides`` (section -> dict) win in each.

    Raises ``SettingsError``: one line a wrong key, by the name under which it was set.
    """
    check_files()
    environment, env_file = dict(os.environ), dotenv_values(ENV_FILE)
    names = {name.upper() for name in (*environment, *env_file)}
    refuse_unknown({name for name in names if not is_route_variable(name)}, _wrong_variables(names))
    toml = Path(TOML_FILE)
    document = tomllib.loads(toml.read_bytes().decode()) if toml.is_file() else {}
    given = merged(
        [from_variables(environment), from_variables(env_file), from_document(document, TOML_FILE)],
    )
    if not given.routes:
        try:
            settings = Settings(**overrides)
        except ValidationError as error:
            raise SettingsError("\n".join(explain(error))) from None
        return Deployment((Route(DEFAULT_ROUTE, "moengage", "aep", settings, declared=False),), declared=False)
    return Deployment(resolve(given, overrides), declared=True)


def load_settings(**overrides: Any) -> Settings:
    """The settings of the only route, for what knows no routes; ``overrides`` (section -> dict) win.

    Raises ``SettingsError``, also where there are several routes.
    """
    routes = load_deployment(**overrides).routes
    if len(routes) > 1:
        raise SettingsError(f"there are several routes: {', '.join(route.name for route in routes)}")
    return routes[0].settings


def resolve(given: Given, overrides: Mapping[str, Any] | None = None) -> tuple[Route, ...]:
    """The routes that ``given`` declares. Pure. Raises ``SettingsError``."""
    complaints: dict[str, None] = {}
    routes: list[Route] = []
    for name, own in given.routes.items():
        wrong = list(_wrong_route(name, own))
        if not wrong:
            source = own.get("source", "moengage")
            kinds = (source, own.get("destination", "aep" if source == "moengage" else "moengage"))
            tree, inherited = _tree(name, own, given.sections, kinds)
            own_names = frozenset(every_setting()) - inherited - _shared_names()
            try:
                settings = _Merged(**overlay({k: dict(v) for k, v in (overrides or {}).items()}, tree))
            except ValidationError as error:
                route = Route(name, *kinds, Settings.model_construct(), own_names)
                wrong = [_line(route, line) for line in explain(error)]
            else:
                routes.append(Route(name, *kinds, settings, own_names))
        complaints |= dict.fromkeys(wrong)
    complaints |= dict.fromkeys(_clashes(routes))
    if not complaints and DEFAULT_ROUTE not in given.routes:
        complaints |= dict.fromkeys(_left_behind(given.sections))
    if complaints:
        raise SettingsError("\n".join(complaints))
    return tuple(routes)


def _tree(name: str, own: Tree, top: Tree, kinds: tuple[str, str]) -> tuple[Tree, frozenset[str]]:
    """The sections of one route, and the variables of those keys that it has from the top level."""
    sections = {key: value for key, value in own.items() if key not in ("source", "destination")}
    left: set[tuple[str, str]] = set()
    if name != DEFAULT_ROUTE:
        left |= {("kafka", key) for key in _OWN_NAMES}
    if kinds != ("moengage", "aep"):
        left |= {("mapping", key) for key in _OF_ONE_KIND}
    inherited: Tree = {
        section: {key: value for key, value in keys.items() if (section, key) not in left}
        if isinstance(keys, dict)
        else keys
        for section, keys in top.items()
    }
    taken = {
        variable(section, key)
        for section, keys in inherited.items()
        if isinstance(keys, dict)
        for key in keys
        if not isinstance(mine := sections.get(section), dict) or key not in mine
    }
    tree = overlay(
        {key: dict(value) if isinstance(value, dict) else value for key, value in sections.items()}, inherited
    )
    if kinds in _SHIPPED_SETS:
        tree = overlay(tree, {"mapping": {"path": _SHIPPED_SETS[kinds].format(_kind_of_rows(tree))}})
    if name != DEFAULT_ROUTE:
        tree = overlay(tree, {"kafka": {key: form.format(name) for key, form in _OWN_NAMES.items()}})
    else:
        # Whatever it does not set itself is the top level's to set.
        taken |= {each for each in every_setting() if not _sets(sections, each)}
    return tree, frozenset(taken)


def _kind_of_rows(tree: Tree) -> str:
    keys = tree.get("warehouse")
    return "events" if isinstance(keys, dict) and keys.get("kind") == "events" else "users"


def _sets(sections: Tree, name: str) -> bool:
    section, _, key = name.removeprefix(PREFIX).lower().partition("__")
    keys = sections.get(section)
    return isinstance(keys, dict) and key in keys


def _shared_names() -> frozenset[str]:
    return frozenset(variable(section, key) for section, key in _OF_THE_DEPLOYMENT) | frozenset(
        name for name in every_setting() if name.startswith(variable("telemetry", ""))
    )


def _own_name(route: str, name: str, own_names: frozenset[str]) -> str:
    if name not in own_names:
        return name
    return route_variable(route, *name.removeprefix(PREFIX).split("__"))


def _line(route: Route, line: str) -> str:
    """A complaint under the name of its setting; what names none says which route it is about."""
    told = route.named(line)
    return told if told.startswith(PREFIX) else f"route {route.name}: {told}"


def _wrong_variables(names: set[str]) -> list[str]:
    """Complaints about variables of routes that are no settings."""
    wrong: list[str] = []
    for name in sorted(filter(is_route_variable, names)):
        route, *keys = route_keys(name)
        if (complaint := _wrong_name(route, name)) is not None:
            wrong.append(complaint)
        else:
            wrong += _wrong_key(route, keys)
    return wrong


def _wrong_route(name: str, own: Tree) -> Iterator[str]:
    if (complaint := _wrong_name(name, f"[{ROUTES}.{name}]")) is not None:
        yield complaint
        return
    for section, keys in own.items():
        if section in ("source", "destination"):
            continue
        if not isinstance(keys, dict):
            known = any(each.startswith(variable(section, "")) for each in every_setting())
            named = f"[{ROUTES}.{name}.{section}] in {TOML_FILE} must be a section of keys"
            yield from [named] if known else _wrong_key(name, [section])
            continue
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


def _wrong_name(route: str, told: str) -> str | None:
    if _NAME.fullmatch(route) and len(route) <= _LONGEST_NAME:
        return None
    return (
        f"{told}: {route[:60]!r} is no name of a route: small letters and digits, with single dashes between"
        f" (underscores in a variable), at most {_LONGEST_NAME}; for example eu-west"
    )


def _wrong_key(route: str, keys: Sequence[str]) -> Iterator[str]:
    told = route_variable(route, *keys)
    if len(keys) == 1 and keys[0] in ("source", "destination"):
        return
    plain = f"{PREFIX}{'__'.join(keys)}".upper()
    if len(keys) == 2 and plain in every_setting():
        if keys[0] == "telemetry" or (keys[0], keys[1]) in _OF_THE_DEPLOYMENT:
            yield f"{told}: it holds for the whole deployment, not for a route: set {plain}"
        return
    near = nearest_setting(plain) if len(keys) > 1 else None
    if near is None and len(keys) == 1 and keys[0][:1] in ("s", "d"):
        near_key = "source" if keys[0].startswith("s") else "destination"
        near = f"{PREFIX}{near_key.upper()}" if len(keys[0]) <= len(near_key) + 2 else None
    meant = near and route_variable(route, *near.removeprefix(PREFIX).split("__"))
    yield f"{told}: no such setting" + (f"; did you mean {meant}?" if meant else "; .env.example names every setting")


def _clashes(routes: Sequence[Route]) -> Iterator[str]:
    """What two routes may not share: each needs topics and a consumer group of its own."""
    topics: dict[str, str] = {}
    groups: dict[str, str] = {}
    for route in routes:
        kafka = route.settings.kafka
        for key in ("topic", "dead_letter_topic", "group"):
            seen, value = groups if key == "group" else topics, getattr(kafka, key)
            mine = _own_name(route.name, variable("kafka", key), route.own_names)
            if (other := seen.setdefault(value, mine)) != mine:
                what = "consumer group" if key == "group" else "topic"
                yield f"{mine} and {other} are both {value}: each route needs a {what} of its own"


def _left_behind(top: Tree) -> Iterator[str]:
    for section, key in (("kafka", "topic"), ("aep", "endpoint")):
        keys = top.get(section)
        if isinstance(keys, dict) and key in keys:
            yield (
                f"{variable(section, key)} is set, but there is no route {DEFAULT_ROUTE}, whose it was: add"
                f" [{ROUTES}.{DEFAULT_ROUTE}] (it may be empty) so that its stream lives on, or set it in a route"
            )
