"""The files that a transform towards MoEngage is made of, for a worker that takes up changes: mapping set and golden cases."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from bridge.mapping.workshop import golden
from bridge.mapping.workshop.plan import reload_problems
from bridge.routes import golden_cases
from bridge.routes.moengage_events import open_moengage_events

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bridge.model.event import Event
    from bridge.model.ports import Decoder, Transform
    from bridge.routes.moengage_events import MoEngageEvents
    from bridge.settings import MappingSettings, MoEngageSettings


def failing(settings: MappingSettings, moengage: MoEngageSettings, decoder: Decoder) -> list[str]:
    """Names of the golden cases of ``settings.tests`` that the mapping set does not pass; none where none are configured."""
    if settings.tests is None:
        return []
    cases = golden.load_cases(settings.tests)
    fixed = golden_cases.settings_of(cases, settings)
    results = golden_cases.run(cases, fixed, open_moengage_events(fixed, moengage).build, decoder)
    return [result.case.name for result in results if not result.passed]


class MoEngageFiles:
    """A :class:`bridge.model.ports.TransformFiles`; ``transform_of`` makes the transform of what the files say, ``decoder`` reads cases."""

    def __init__(
        self,
        settings: MappingSettings,
        moengage: MoEngageSettings,
        decoder: Decoder,
        transform_of: Callable[[MoEngageEvents], Transform],
    ) -> None:
        self._settings = settings
        self._moengage = moengage
        self._decoder = decoder
        self._transform_of = transform_of

    @property
    def reload_seconds(self) -> float:
        """How often the files are looked at."""
        return self._settings.reload_seconds

    def files(self) -> Sequence[Path]:
        """Mapping set and golden cases."""
        files = [self._settings.path]
        if self._settings.tests is not None:
            # A folder that cannot be read shows as one without cases: a change, and what is wrong is told when it is taken up.
            with contextlib.suppress(OSError):
                files += sorted(each for each in self._settings.tests.iterdir() if each.suffix == ".json")
        return files

    def load(self) -> Transform:
        """The transform of the files as they are. Raises ``MappingError``."""
        return self._transform_of(open_moengage_events(self._settings, self._moengage))

    def failing(self) -> Sequence[str]:
        """Names of the golden cases that do not hold."""
        return failing(self._settings, self._moengage, self._decoder)

    def newly_refused(self, in_use: Any, candidate: Any, recent: Sequence[Event]) -> Sequence[str]:
        """Why recent events that ``in_use`` takes would be refused by ``candidate``."""
        return reload_problems(in_use.builder.build, candidate.builder.build, recent)
