"""Golden cases of a route's mapping set: its settings, its source's events, and what the worker makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.mapping.workshop import golden
from bridge.routes.mapping_opening import open_experience_events
from bridge.sources.http.json_reading import parse_json
from bridge.sources.moengage.envelopes import events_of
from bridge.xdm.size import sized

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Any

    from bridge.model.event import Refusal
    from bridge.settings import MappingSettings
    from bridge.xdm.experience_event import Built

    Build = Callable[[dict[str, Any]], Built]


def read_case(document: bytes) -> Sequence[dict[str, Any] | Refusal]:
    """The events of a case's document, in whatever envelope of MoEngage's they stand."""
    return events_of(parse_json(document))


def settings_of(cases: golden.Cases, settings: MappingSettings) -> MappingSettings:
    """``settings`` with what ``settings.json`` beside the cases fixes. Raises :class:`golden.GoldenError`."""
    fixed = {key: value for key, value in cases.settings.items() if key != "now"}
    try:
        return type(settings).model_validate({**settings.model_dump(by_alias=True), **fixed})
    except ValueError as error:
        raise golden.GoldenError(f"{cases.directory / 'settings.json'}: {error}") from None


def run(cases: golden.Cases, settings: MappingSettings, build: Build | None = None) -> list[golden.Result]:
    """Every case under ``settings``: by ``build``, or as ExperienceEvents, schema and size rule included."""
    made = build or sized(open_experience_events(settings).build, settings)
    return golden.run_cases(cases, made, read_case)


def failing(settings: MappingSettings) -> list[str]:
    """Names of the golden cases of ``settings.tests`` that the mapping set does not pass; none where none are configured."""
    if settings.tests is None:
        return []
    cases = golden.load_cases(settings.tests)
    return [result.case.name for result in run(cases, settings_of(cases, settings)) if not result.passed]


def keep_settings(cases: golden.Cases, settings: MappingSettings) -> list[Path]:
    """Write into settings.json for which tenant and namespaces the cases hold, where it does not say so; the file, if written."""
    fixed = {
        "tenant": settings.tenant,
        "primary_identity": list(settings.primary_identity),
        **({"placeholders": dict(settings.placeholders)} if settings.placeholders else {}),
        **({"strict": True} if settings.strict else {}),
    }
    return golden.keep_settings(cases, fixed)
