"""The routes of a deployment, read from environment, ``.env`` and ``bridge.toml``: without ``[routes.NAME]`` there is one, ``default``."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dotenv import dotenv_values
from pydantic import ValidationError

from bridge.model.dead_letter import DEFAULT_ROUTE
from bridge.model.errors import SettingsError
from bridge.settings.inheritance import inherited_tree, shared_names
from bridge.settings.loading import (
    ENV_FILE,
    TOML_FILE,
    Settings,
    check_files,
    every_setting,
    explain,
    refuse_undecodable,
    refuse_unknown,
)
from bridge.settings.route_rules import clashes, left_behind, wrong_route, wrong_variables
from bridge.settings.routes import Deployment, Route
from bridge.settings.section import PREFIX
from bridge.settings.tree import Given, from_document, from_variables, is_route_variable, large_letters, merged, overlay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_settings import BaseSettings, PydanticBaseSettingsSource


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


def load_deployment(**overrides: Any) -> Deployment:
    """Every route from environment, ``.env`` and ``bridge.toml``; ``overrides`` (section -> dict) win in each.

    Raises ``SettingsError``: one line a wrong key, by the name under which it was set.
    """
    check_files()
    environment, env_file = dict(os.environ), dotenv_values(ENV_FILE)
    refuse_undecodable(environment)
    names = {name.upper() for name in (*environment, *env_file)}
    refuse_unknown({name for name in names if not is_route_variable(name)}, wrong_variables(names))
    toml = Path(TOML_FILE)
    document = tomllib.loads(toml.read_bytes().decode()) if toml.is_file() else {}
    if large := large_letters(document, TOML_FILE):
        raise SettingsError("\n".join(large))
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
        wrong = list(wrong_route(name, own))
        if not wrong:
            source = own.get("source", "moengage")
            kinds = (source, own.get("destination", "aep" if source == "moengage" else "moengage"))
            tree, inherited = inherited_tree(name, own, given.sections, kinds)
            own_names = frozenset(every_setting()) - inherited - shared_names()
            try:
                settings = _Merged(**overlay({k: dict(v) for k, v in (overrides or {}).items()}, tree))
            except ValidationError as error:
                route = Route(name, *kinds, Settings.model_construct(), own_names)
                wrong = [_line(route, line) for line in explain(error)]
            else:
                routes.append(Route(name, *kinds, settings, own_names))
        complaints |= dict.fromkeys(wrong)
    complaints |= dict.fromkeys(clashes(routes))
    if not complaints and DEFAULT_ROUTE not in given.routes:
        complaints |= dict.fromkeys(left_behind(given.sections))
    if complaints:
        raise SettingsError("\n".join(complaints))
    return tuple(routes)


def _line(route: Route, line: str) -> str:
    """A complaint under the name of its setting; what names none says which route it is about."""
    told = route.named(line)
    return told if told.startswith(PREFIX) else f"route {route.name}: {told}"
