"""Which path of the receiver belongs to which route. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.model.dead_letter import DEFAULT_ROUTE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.settings import Route

STREAMS = "/moengage/streams"


def posting(routes: Iterable[Route]) -> tuple[Route, ...]:
    """The routes whose events are posted to the receiver."""
    return tuple(route for route in routes if route.source == "moengage")


def paths(routes: Iterable[Route]) -> dict[str, str]:
    """Path -> name of the route: each has one of its own, and ``default``, or the only one, the path without a name.

    Where none is declared there is only that.
    """
    streams = posting(routes)
    if [route.declared for route in streams] == [False]:
        return {STREAMS: streams[0].name}
    found = {f"{STREAMS}/{route.name}": route.name for route in streams}
    plain = [route.name for route in streams if route.name == DEFAULT_ROUTE or len(streams) == 1]
    return {STREAMS: plain[0], **found} if plain else found
