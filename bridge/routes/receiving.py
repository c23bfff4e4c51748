"""Which path of the receiver belongs to which route. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.model.dead_letter import DEFAULT_ROUTE
from bridge.routes.kinds import SOURCES, source_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bridge.settings import Route
    from bridge.sources.http.posting import Posting


def posting(routes: Iterable[Route]) -> tuple[Route, ...]:
    """The routes whose events are posted to the receiver."""
    return tuple(route for route in routes if route.source in SOURCES and source_of(route).posting is not None)


def posting_of(route: Route) -> Posting:
    """How the source of a posting route posts."""
    opened = source_of(route).posting
    if opened is None:
        raise ValueError(f"{route.source} does not post to the receiver")
    return opened()


def own_path(route: Route, by_path: Mapping[str, str]) -> str:
    """The path that is told to the sender of this route's events: with its name, where there is one."""
    path = posting_of(route).path
    named = f"{path}/{route.name}"
    return named if named in by_path else path


def paths(routes: Iterable[Route]) -> dict[str, str]:
    """Path -> name of the route: each has one of its own, and ``default``, or the only one of its source, the path without a name.

    What clients append to a route's path is that route's too.

    Where none is declared there is only that.
    """
    by_path: dict[str, str] = {}
    by_source: dict[str, list[Route]] = {}
    for route in posting(routes):
        by_source.setdefault(route.source, []).append(route)
    for same in by_source.values():
        how = posting_of(same[0])
        own: dict[str, str] = {}
        for route in () if how.by_name_only else same:
            if route.name == DEFAULT_ROUTE or len(same) == 1:
                own[how.path] = route.name
        if how.by_name_only or [route.declared for route in same] != [False]:
            own |= {f"{how.path}/{route.name}": route.name for route in same}
        by_path |= own | {path + more: name for path, name in own.items() for more in how.below}
    return by_path
