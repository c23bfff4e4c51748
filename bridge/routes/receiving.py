"""Which path of the receiver belongs to which route. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.model.dead_letter import DEFAULT_ROUTE
from bridge.routes.kinds import SOURCES, source_of

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def paths(routes: Iterable[Route]) -> dict[str, str]:
    """Path -> name of the route: each has one of its own, and ``default``, or the only one of its source, the path without a name.

    Where none is declared there is only that.
    """
    by_path: dict[str, str] = {}
    by_source: dict[str, list[Route]] = {}
    for route in posting(routes):
        by_source.setdefault(route.source, []).append(route)
    for same in by_source.values():
        path = posting_of(same[0]).path
        if [route.declared for route in same] == [False]:
            by_path[path] = same[0].name
            continue
        for route in same:
            if route.name == DEFAULT_ROUTE or len(same) == 1:
                by_path[path] = route.name
        by_path |= {f"{path}/{route.name}": route.name for route in same}
    return by_path
