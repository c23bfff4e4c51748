"""The option ``--route``: which of the deployment's routes a command is about, and how its errors name their settings."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.settings import Deployment, Route

ROUTE = typer.Option(None, "--route", metavar="NAME", help="This route alone; aep-bridge routes lists them.")


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
        raise typer.BadParameter(f"say which route: {names}", param_hint="--route")
    raise typer.BadParameter(f"there is no such route {name}; the routes are: {names}", param_hint="--route")


@contextmanager
def under_its_name(route: Route) -> Iterator[None]:
    """An error inside names the route and, of its settings, the variables by which they are set for it."""
    from bridge.errors import BridgeError

    try:
        yield
    except BridgeError as error:
        if not route.declared:
            raise
        hint = None if error.hint is None else route.named(error.hint)
        raise BridgeError(f"route {route.name}: {route.named(str(error))}", hint=hint) from error
