"""What the settings of the mapping describe, read from their files and compiled: mapping set, schema, policy for wrong values."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bridge.mapping.compiler.mapping_compiler import CompiledMapping, compile_mapping
from bridge.mapping.sets.table import load_mapping_set
from bridge.mapping.syntax.paths import Every, Index
from bridge.xdm.experience_event import ExperienceEvents
from bridge.xdm.schema.compiled_schema import CompiledSchema, compile_schema, load_schema
from bridge.xdm.schema.policy import Policy, policy_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bridge.mapping.compiler.preparation import Prepared
    from bridge.settings import MappingSettings
    from bridge.xdm.schema.policy import Steps


def schema_of(settings: MappingSettings) -> CompiledSchema | None:
    """The schema that the settings name, or that ships with the mapping set; None for none. Raises ``SchemaError``.

    Its policy refuses the event for every wrong value.
    """
    path = settings.schema_path
    return None if path is None else compile_schema(load_schema(path), tenant=settings.tenant)


def compiled(settings: MappingSettings) -> tuple[CompiledMapping, CompiledSchema | None]:
    """Mapping set and schema of the settings; the schema drops or refuses as settings and rows say.

    Raises ``MappingError`` with every finding in the mapping set, ``SchemaError`` for a schema that cannot be used.
    """
    schema = schema_of(settings)
    mapping = compile_mapping(
        load_mapping_set(settings.path),
        tenant=settings.tenant,
        primary_identity=settings.primary_identity[0],
        placeholders=settings.placeholders,
        strict=settings.strict,
        schema=schema,
    )
    return mapping, None if schema is None else schema.holding(row_policy(settings, mapping.rows))


def open_experience_events(settings: MappingSettings, *, clock: Callable[[], float] = time.time) -> ExperienceEvents:
    """What the settings describe: mapping set and schema read from their files (or those that ship) and compiled.

    Raises ``MappingError`` with every finding in the mapping set, ``SchemaError`` for a schema that cannot be used.
    """
    mapping, schema = compiled(settings)
    return ExperienceEvents(mapping, settings, schema, clock=clock)


def row_policy(settings: MappingSettings, rows: Sequence[Prepared]) -> Policy:
    """The settings' ``on_invalid``, and what the column of that name says of single rows."""
    return policy_of(settings.on_invalid == "reject", _rules(rows))


def _rules(rows: Sequence[Prepared]) -> Iterator[tuple[Steps, bool]]:
    for one in rows:
        said = one.row.on_invalid
        if said is not None and one.target is not None:
            steps = ("[*]" if isinstance(step, Index | Every) else step.name for step in one.target)
            yield tuple(steps), said == "reject"
