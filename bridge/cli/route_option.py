"""The option ``--route``: which of the deployment's routes a command is about, and how its errors name their settings."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.settings import Deployment, Route, Settings

_OPTION = "--route"
_WITHOUT = {
    "receiver": "one receiver takes the events of all routes, each at its own path",
    "routes": "it lists all of them",
    "demo": "--routes shows two routes side by side",
}
"""Why commands take no ``--route``."""
ROUTE = typer.Option(None, _OPTION, metavar="NAME", help="Only this route; aep-bridge routes lists them.")


_wanted: ContextVar[str | None] = ContextVar("route", default=None)


def _remember(name: str | None) -> str | None:
    _wanted.set(name)
    return name


MAPPED_ROUTE = typer.Option(None, _OPTION, metavar="NAME", callback=_remember, help="Use the settings of this route.")
"""For commands about a mapping set: :func:`settings_for` reads it where settings are asked for."""


def settings_for(part: str, **overrides: Any) -> Settings:
    """The settings of the route that the option names, or of any where all have the same ``part`` (a section).

    A usage error where it would be a choice among several. ``overrides`` as in ``load_deployment``.
    """
    from bridge.settings import load_deployment

    routes = chosen(load_deployment(**overrides), _wanted.get())
    if all(getattr(one.settings, part) == getattr(routes[0].settings, part) for one in routes):
        return routes[0].settings
    return only(routes, None).settings


def named_route() -> Route | None:
    """The route that the option of a mapping command names; None where it names none."""
    from bridge.settings import load_deployment

    name = _wanted.get()
    return None if name is None else only(load_deployment().routes, name)


def named_destination() -> str | None:
    """Where that route goes."""
    route = named_route()
    return None if route is None else route.destination


def chosen(deployment: Deployment, name: str | None) -> Sequence[Route]:
    """The route of that name alone, or all where none is named."""
    return deployment.routes if name is None else (only(deployment.routes, name),)


def only(routes: Sequence[Route], name: str | None) -> Route:
    """The route of that name, or the only one; a usage error (exit 2) where it would be a choice among several."""
    named = [route for route in routes if name in (None, route.name)]
    if len(named) == 1:
        return named[0]
    names = ", ".join(route.name for route in routes)
    if named:
        raise typer.BadParameter(f"name the route with --route: {names}", param_hint=_OPTION)
    near = _nearest(name or "", [route.name for route in routes])
    meant = f"did you mean {near}? " if near else ""
    raise typer.BadParameter(f"there is no such route {name}; {meant}the routes are: {names}", param_hint=_OPTION)


def _nearest(name: str, names: Sequence[str]) -> str | None:
    from difflib import get_close_matches

    # As it stands in a variable: large letters and underscores.
    return next(iter(get_close_matches(name.lower().replace("_", "-"), names, n=1)), None)


class Command(TyperCommand):
    """A command that takes ``--route`` once, or says why it takes none."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As every command does; of ``--route`` given twice the first would be forgotten without a word."""
        options = args[: args.index("--")] if "--" in args else args
        given = [each for each in options if each == _OPTION or each.startswith(f"{_OPTION}=")]
        if given and not any(_OPTION in param.opts for param in self.params):
            why = _WITHOUT.get(ctx.info_name, "it is about no route")
            raise typer.BadParameter(f"{ctx.command_path} takes none: {why}", ctx, param_hint=_OPTION)
        if len(given) > 1:
            raise typer.BadParameter("give it once: one route, or none for all", ctx, param_hint=_OPTION)
        return super().parse_args(ctx, args)


@contextmanager
def under_its_name(route: Route) -> Iterator[None]:
    """An error inside names the route and, of its settings, the variables by which they are set for it."""
    from bridge.model.errors import BridgeError

    try:
        yield
    except BridgeError as error:
        if not route.declared:
            raise
        hint = None if error.hint is None else route.named(error.hint)
        raise BridgeError(f"route {route.name}: {route.named(str(error))}", hint=hint) from error
