"""What stands in the environment, in ``.env`` and in ``bridge.toml``, as it stands there: text that nothing has interpreted yet.

Routes are merged in this form and validated afterwards, section by section: a free dictionary of settings would decode its
values as JSON, and a password of digits alone would become a number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.model.errors import SettingsError
from bridge.settings.section import PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROUTES = "routes"
_PREFIX = f"{PREFIX}{ROUTES}__".upper()
_ALIASES = {("mapping", "schema_"): "schema"}
Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Given:
    """``sections``: section -> key -> value; ``routes``: the same by name of route, with its own ``source`` and ``destination``."""

    sections: Tree = field(default_factory=dict)
    routes: dict[str, Tree] = field(default_factory=dict)


def is_route_variable(name: str) -> bool:
    """Whether the environment name, in any case, is one of a route."""
    return name.upper().startswith(_PREFIX)


def route_variable(route: str, *keys: str) -> str:
    """``eu-west``, ``kafka``, ``topic`` -> ``BRIDGE_ROUTES__EU_WEST__KAFKA__TOPIC``."""
    return (_PREFIX + "__".join((route.replace("-", "_"), *keys))).upper()


def route_keys(name: str) -> list[str]:
    """The name of the route, then section and key, of a route's variable in any case."""
    route, *keys = name[len(_PREFIX) :].lower().split("__")
    return [route.replace("_", "-"), *keys]


def from_variables(values: Mapping[str, str | None]) -> Given:
    """Of variables in any case; an empty one counts as unset. Names that are no setting are left to others to refuse."""
    given = Given()
    for name, value in values.items():
        if not value or not name.upper().startswith(PREFIX):
            continue
        if is_route_variable(name):
            route, *keys = route_keys(name)
            tree: Tree = given.routes.setdefault(route, {}) if keys else {}
        else:
            keys = name[len(PREFIX) :].lower().split("__")
            tree = given.sections
        if len(keys) == 1 and tree is not given.sections:
            tree[keys[0]] = value
        elif len(keys) == 2:
            tree.setdefault(keys[0], {})[keys[1]] = value
    return given


def from_document(document: Mapping[str, Any], file: str) -> Given:
    """Of a TOML document, ``file`` by name. Raises ``SettingsError`` where a route is no table."""
    routes = document.get(ROUTES, {})
    if not isinstance(routes, dict):
        raise SettingsError(f"[{ROUTES}] in {file} must be a section of routes: [{ROUTES}.NAME]")
    for name, route in routes.items():
        if not isinstance(route, dict):
            raise SettingsError(f"[{ROUTES}.{name}] in {file} must be a section of keys")
    return Given(
        _aliased({section: keys for section, keys in document.items() if section != ROUTES}),
        {name: _aliased(route) for name, route in routes.items()},
    )


def large_letters(document: Mapping[str, Any], file: str) -> list[str]:
    """Complaints about keys of a TOML document that are not written in small letters, and about ``[Routes]``."""
    trees = [("", document), *((f"{ROUTES}.{name}.", tree) for name, tree in _tables(document.get(ROUTES)))]
    found = [f"[{key}] in {file} is written in small letters: [{ROUTES}.NAME]" for key in document if _is_routes(key)]
    for where, tree in trees:
        for section, keys in tree.items():
            found += [
                f"[{where}{section}] in {file}: keys are written in small letters: {key} as {key.lower()}"
                for key in (keys if isinstance(keys, dict) and section != ROUTES else ())
                if key != key.lower()
            ]
    return found


def _is_routes(key: str) -> bool:
    return key != ROUTES and key.lower() == ROUTES


def _tables(routes: Any) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, tree) for name, tree in routes.items() if isinstance(tree, dict)] if isinstance(routes, dict) else []


def _aliased(tree: Mapping[str, Any]) -> Tree:
    """Its sections by their names in small letters, in which pydantic reads them too: else one would stand there twice."""
    found: Tree = {}
    for section, keys in sorted(tree.items(), key=lambda each: each[0] != each[0].lower()):
        name = section.lower()
        mine = (
            {_ALIASES.get((name, key), key): value for key, value in keys.items()} if isinstance(keys, dict) else keys
        )
        overlay(found, {name: mine})
    return found


def merged(strongest_first: Sequence[Given]) -> Given:
    """Key by key: a weaker one counts where no stronger one says anything.

    Routes come in the order of the weakest, the file: what the environment says of one does not bring it forward.
    """
    result = Given(routes={name: {} for given in reversed(strongest_first) for name in given.routes})
    for given in strongest_first:
        overlay(result.sections, given.sections)
        for name, route in given.routes.items():
            overlay(result.routes[name], route)
    return result


def overlay(strong: Tree, weak: Mapping[str, Any]) -> Tree:
    """Add to ``strong`` what only ``weak`` has, key by key; gives ``strong``."""
    for section, keys in weak.items():
        mine = strong.get(section)
        if mine is None:
            strong[section] = dict(keys) if isinstance(keys, dict) else keys
        elif isinstance(mine, dict) and isinstance(keys, dict):
            strong[section] = {**keys, **mine}
    return strong
