"""What a route takes from the top level of the settings, what it must set itself, and its defaults.

Once there are routes the top level is only inherited from, key by key; ``default`` alone takes the names of topics and consumer
group from it, so that a stream lives on under it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bridge.model.dead_letter import DEFAULT_ROUTE
from bridge.settings.loading import every_setting
from bridge.settings.section import PREFIX, variable
from bridge.settings.tree import Tree, overlay

_SHIPPED_SETS = {
    ("adobe", "moengage"): "mappings/adobe_profiles.csv",
    ("mparticle", "moengage"): "mappings/mparticle_events.csv",
    ("warehouse", "moengage"): "mappings/warehouse_{}.csv",
}
"""The mapping set of a route without a path of its own, by source and destination, where it is not that of the settings; of a
warehouse by the kind of its rows."""
_OWN_NAMES = {
    "topic": "bridge.{}",
    "dead_letter_topic": "bridge.{}.dead-letters",
    "group": "bridge-{}",
}
"""Keys of ``kafka`` that no named route inherits, and what they are where it does not set them."""
_OF_ONE_KIND = ("path", "schema", "tests")
"""Keys of ``mapping`` that mean nothing for another source or destination."""
_ONE_OF = (
    ("oauth", ("client_secret", "client_secret_file")),
    ("moengage", ("api_key", "api_key_file")),
    ("moengage", ("data_center", "base_url")),
    ("warehouse", ("url", "url_file")),
    ("warehouse", ("table", "query")),
)
"""Keys that say the same in several ways: a route that sets one of them inherits none of the others, which would win over it."""
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
OF_THE_DEPLOYMENT: Final = frozenset({("worker", "processes"), *(("receiver", key) for key in _LISTENER)})


def shipped_set(source: str, destination: str, rows: str = "users") -> Path | None:
    """The mapping set of a route between them that names none, where it is not the settings' own; ``rows``: a warehouse's kind."""
    path = _SHIPPED_SETS.get((source, destination))
    return None if path is None else Path(path.format(rows))


def inherited_tree(name: str, own: Tree, top: Tree, kinds: tuple[str, str]) -> tuple[Tree, frozenset[str]]:
    """The sections of one route, and the variables of those keys that it has from the top level."""
    sections = {key: value for key, value in own.items() if key not in ("source", "destination")}
    left: set[tuple[str, str]] = set()
    if name != DEFAULT_ROUTE:
        left |= {("kafka", key) for key in _OWN_NAMES}
    if kinds != ("moengage", "aep"):
        left |= {("mapping", key) for key in _OF_ONE_KIND}
    for section, ways in _ONE_OF:
        mine = sections.get(section)
        if isinstance(mine, dict) and not mine.keys().isdisjoint(ways):
            left |= {(section, key) for key in ways}
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


def shared_names() -> frozenset[str]:
    """The variables that hold for the whole deployment, and for no single route."""
    return frozenset(variable(section, key) for section, key in OF_THE_DEPLOYMENT) | frozenset(
        name for name in every_setting() if name.startswith(variable("telemetry", ""))
    )
