"""What a mapping set is held to and run by, as settings and command line say: rules, schema, builder, judge."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from bridge.cli.mapping.inputs import source_name
from bridge.cli.route_option import settings_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bridge.mapping.sets.findings import Finding
    from bridge.mapping.workshop.event_verdicts import Judge
    from bridge.model.rules import Rules
    from bridge.routes.moengage_events import MoEngageEvents
    from bridge.settings import MappingSettings
    from bridge.xdm.experience_event import Built, ExperienceEvents
    from bridge.xdm.schema.compiled_schema import CompiledSchema


def mapping_settings(
    *,
    path: Path | None = None,
    tenant: str | None = None,
    schema: Path | None = None,
    primary_identity: str | None = None,
) -> MappingSettings:
    """The settings of the mapping, with what the command line says instead; ``path`` is the mapping set it is about."""
    from bridge.settings.mapping import TENANT

    said: dict[str, Any] = {}
    if tenant is not None:
        if not re.fullmatch(TENANT, tenant):
            raise typer.BadParameter(
                f"{tenant}: an underscore, then letters, digits and underscores, such as _yourorgname",
                param_hint="--tenant",
            )
        said["tenant"] = tenant
    if primary_identity is not None:
        names = tuple(name.strip() for name in primary_identity.split(",") if name.strip())
        if not names:
            raise typer.BadParameter("one namespace, or several with commas", param_hint="--primary-identity")
        said["primary_identity"] = names
    if schema is not None:
        said["schema"] = schema
    if path is not None:
        said["path"] = path
    return settings_for("mapping", **({"mapping": said} if said else {})).mapping


def is_for_moengage(settings: MappingSettings) -> bool:
    """Whether the set writes elements for MoEngage: its route goes there, or, without --route, its destinations say so."""
    from bridge.cli.route_option import named_destination
    from bridge.mapping.sets.findings import MappingRefused
    from bridge.mapping.sets.table import load_mapping_set

    if (destination := named_destination()) is not None:
        return destination == "moengage"
    try:
        rows = load_mapping_set(settings.path).rows
    except MappingRefused:  # what reads it for its own sake says what is wrong
        return False
    written = [row.destination for row in rows]
    return any(one.startswith(("customer.", "event.actions")) for one in written) and "_id" not in written


def rules_of(settings: MappingSettings) -> Rules:
    """What destination and source of this set say of it."""
    from bridge.destinations.moengage.rules import rules_of as moengage_rules
    from bridge.routes.kinds import SOURCES
    from bridge.xdm.rules import RULES

    rules = moengage_rules(settings_for("moengage").moengage) if is_for_moengage(settings) else RULES
    complaints = SOURCES[source_name()].complaints
    return rules if complaints is None else replace(rules, source_complaints=complaints)


def schema_for(settings: MappingSettings) -> CompiledSchema | None:
    """The schema that this set is held to; None for none, as for all sets towards MoEngage."""
    from bridge.routes.mapping_opening import schema_of

    return None if is_for_moengage(settings) else schema_of(settings)


def builder(settings: MappingSettings) -> ExperienceEvents | MoEngageEvents:
    """What makes ExperienceEvents, or elements for MoEngage, as the settings say."""
    from bridge.routes.mapping_opening import open_experience_events
    from bridge.routes.moengage_events import open_moengage_events

    if is_for_moengage(settings):
        return open_moengage_events(settings, settings_for("moengage").moengage)
    return open_experience_events(settings)


def disagreements_of(made: ExperienceEvents | MoEngageEvents, settings: MappingSettings) -> list[Finding]:
    """Where mapping set, schema and settings contradict each other: the worker would not start."""
    from bridge.routes.agreement import disagreements
    from bridge.routes.moengage_events import MoEngageEvents

    if isinstance(made, MoEngageEvents):
        return []
    mapping: Any = made.mapping
    schema: Any = made.schema
    return disagreements(settings, mapping.rows, schema, schema_id=settings_for("aep").aep.schema_id)


def departing_of(
    made: ExperienceEvents | MoEngageEvents, settings: MappingSettings
) -> Callable[[dict[str, Any]], Built]:
    """What the worker does with one event up to its encoding (:func:`bridge.xdm.departure.departing`)."""
    from bridge.destinations.aep.destination import open_envelope
    from bridge.routes.moengage_events import MoEngageEvents
    from bridge.xdm.departure import departing
    from bridge.xdm.size import SizeRule

    if isinstance(made, MoEngageEvents):
        return made.safely
    return departing(made.build, SizeRule(settings), open_envelope(settings_for("aep")).encode)


def judge_of(made: ExperienceEvents | MoEngageEvents, settings: MappingSettings) -> Judge:
    """What counts and explains the fate of events under the mapping set of ``made``."""
    from bridge.mapping.compiler.mapping_compiler import CompiledMapping
    from bridge.mapping.workshop.event_verdicts import Judge

    compiled = made.mapping
    if not isinstance(compiled, CompiledMapping):
        raise TypeError("the mapping set is not compiled")
    return Judge(departing_of(made, settings), compiled.apply, compiled.rows, made.schema, rules=rules_of(settings))  # type: ignore[arg-type]
