"""Mapping sets towards MoEngage, compiled: elements for the worker, and the same as documents for who judges a set before it runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import orjson

from bridge.destinations.moengage.checks import Checks
from bridge.destinations.moengage.elements import NullRules
from bridge.destinations.moengage.rules import rules_of
from bridge.destinations.moengage.shaping import Shaper
from bridge.mapping.compiler.mapping_compiler import CompiledMapping, compile_mapping
from bridge.mapping.lint.rules import complained
from bridge.mapping.sets.findings import MappingRefused
from bridge.mapping.sets.table import load_mapping_set
from bridge.mapping.syntax.paths import Key
from bridge.model.verdicts import Rejected, Stage
from bridge.xdm.experience_event import Built

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bridge.destinations.moengage.elements import Nulls
    from bridge.mapping.compiler.preparation import Prepared
    from bridge.settings import MappingSettings, MoEngageSettings


class MoEngageEvents:
    """One mapping set under one workspace's rules. ``schema`` is none: MoEngage has none."""

    schema = None

    def __init__(
        self, mapping: CompiledMapping, settings: MoEngageSettings, *, wall: Callable[[], float] = time.time
    ) -> None:
        self.mapping = mapping
        self.attributes = dict(_attributes(mapping.rows))
        self.map_event = _for_delivery(mapping)
        self.shaper = Shaper(
            Checks(
                projects=settings.projects,
                identifiers=settings.identifiers,
                objects=settings.objects,
                unset=settings.unset,
                wall=wall,
            ),
            most_bytes=settings.batch_bytes,
            nulls=null_rules(mapping.rows, settings),
            reject=settings.on_violation == "reject",
        )

    def build(self, event: dict[str, Any]) -> Built:
        """The event as a bulk call would carry it, or the reason why it may not leave, with what is to be said of it."""
        mapped, nulled = self.map_event(event)
        failed = [self.attributes[one.row] for one in nulled if one.row in self.attributes]
        items, elements, rejection, findings = self.shaper.shape(mapped, failed)
        shown = [orjson.loads(item) for item in items] or [element.value for element in elements]
        return Built({"type": "transition", "elements": shown}, nulled, (), rejection, findings)  # type: ignore[arg-type]

    def safely(self, event: dict[str, Any]) -> Built:
        """As :meth:`build`; what goes wrong becomes a dead letter in the worker, too."""
        try:
            return self.build(event)
        except Exception as error:  # noqa: BLE001 - as in the worker
            return Built({}, (), (), Rejected(Stage.MAP, "internal_error", f"unexpected {type(error).__name__}"))


def open_moengage_events(mapping: MappingSettings, settings: MoEngageSettings) -> MoEngageEvents:
    """What the settings describe. Raises ``MappingRefused`` (a ``MappingError``) that lists every error."""
    compiled = compile_mapping(
        load_mapping_set(mapping.path),
        tenant=mapping.tenant,
        primary_identity=mapping.primary_identity[0],
        placeholders=mapping.placeholders,
        strict=mapping.strict,
    )
    errors = [each for each in complained(compiled.rows, rules_of(settings)) if each.severity == "error"]
    if errors:
        raise MappingRefused(errors)
    return MoEngageEvents(compiled, settings)


def null_rules(rows: Sequence[Prepared], settings: MoEngageSettings) -> NullRules:
    """By attribute of the user what its null means: as its row says, else as the settings do."""
    by_line = {one.row.row: one for one in rows}
    found: dict[str, Nulls] = {name: by_line[line].row.nulls or settings.nulls for line, name in _attributes(rows)}
    return NullRules({name: rule for name, rule in found.items() if rule != "skip"})


def _attributes(rows: Sequence[Prepared]) -> Iterator[tuple[int, str]]:
    """Line of each row that writes an attribute of the user by name, and the name."""
    for one in rows:
        steps = one.target or ()
        if (
            len(steps) == 3
            and all(isinstance(step, Key) for step in steps)
            and [step.name for step in steps[:2] if isinstance(step, Key)] == ["customer", "attributes"]
            and isinstance(steps[2], Key)
        ):
            yield one.row.row, steps[2].name


def _for_delivery(mapping: CompiledMapping) -> Callable[[dict[str, Any]], tuple[dict[str, Any], Sequence[Any]]]:
    # There are no identities to be ruled; what the cheaper form lends of an event is only read.
    lending = mapping.for_delivery(lambda _namespaces: None)

    def map_event(event: dict[str, Any]) -> tuple[dict[str, Any], Sequence[Any]]:
        mapped, nulled, *_ = lending(event)
        return mapped, nulled

    return map_event
