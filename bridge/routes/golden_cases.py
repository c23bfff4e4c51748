"""Golden cases of a route's mapping set: its settings, its source's events, and what the worker makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.mapping.workshop import golden
from bridge.routes.mapping_opening import open_experience_events
from bridge.routes.sample_events import Joining, case_reader
from bridge.sources.moengage.decoder import DECODER
from bridge.xdm.size import sized

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from bridge.model.ports import Decoder
    from bridge.settings import MappingSettings
    from bridge.xdm.experience_event import Built

    Build = Callable[[dict[str, Any]], Built]


read_case = case_reader(DECODER)
"""The events of a case's document, in whatever envelope of MoEngage's they stand."""


def settings_of(cases: golden.Cases, settings: MappingSettings) -> MappingSettings:
    """``settings`` with what ``settings.json`` beside the cases fixes. Raises :class:`golden.GoldenError`."""
    fixed = {key: value for key, value in cases.settings.items() if key not in ("now", "source", "source_settings")}
    try:
        return type(settings).model_validate({**settings.model_dump(by_alias=True), **fixed})
    except ValueError as error:
        raise golden.GoldenError(f"{cases.directory / 'settings.json'}: {error}") from None


def run(
    cases: golden.Cases, settings: MappingSettings, build: Build | None = None, decoder: Decoder = DECODER
) -> list[golden.Result]:
    """Every case under ``settings``: by ``build``, or as ExperienceEvents, schema and size rule included."""
    made = build or sized(open_experience_events(settings).build, settings)
    return golden.run_cases(cases, made, case_reader(_as_fixed(cases, decoder)))


def _as_fixed(cases: golden.Cases, decoder: Decoder) -> Decoder:
    """The decoder with the source's settings that the cases were written for, where they say so."""
    fixed = cases.settings.get("source_settings")
    if fixed is None or not isinstance(decoder, Joining):
        return decoder
    try:
        return decoder.under(fixed)
    except (ValueError, TypeError) as error:
        raise golden.GoldenError(f"{cases.directory / 'settings.json'}: source_settings: {error}") from None


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
