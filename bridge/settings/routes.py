"""One route and all routes of a deployment, as they are set: ``[routes.NAME]``, each with the settings that hold for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.settings.section import PREFIX, variable
from bridge.settings.tree import ROUTES, route_variable

if TYPE_CHECKING:
    from bridge.settings.loading import Settings

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
        return _MENTIONED.sub(lambda found: self.own_name(found[0]), text)

    def own_name(self, name: str) -> str:
        """The variable that sets for this route what ``name`` sets at the top level."""
        if name not in self.own_names:
            return name
        return route_variable(self.name, *name.removeprefix(PREFIX).split("__"))


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
