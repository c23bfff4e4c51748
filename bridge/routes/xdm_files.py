"""The files that a transform to XDM is made of: mapping set, schema and golden cases, for a worker that takes up changes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from bridge.mapping.workshop.plan import reload_problems
from bridge.routes.event_builder import open_agreeing
from bridge.routes.golden_cases import failing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bridge.model.event import Event
    from bridge.model.ports import Transform
    from bridge.settings import AepSettings, MappingSettings
    from bridge.xdm.experience_event import ExperienceEvents


class XdmFiles:
    """A :class:`bridge.model.ports.TransformFiles`; ``transform_of`` makes the transform of what the files say.

    ``aep``: where the events go; schema and tenant have to suit it.
    """

    def __init__(
        self,
        settings: MappingSettings,
        transform_of: Callable[[ExperienceEvents], Transform],
        aep: AepSettings | None = None,
    ) -> None:
        self._settings = settings
        self._transform_of = transform_of
        self._aep = aep

    @property
    def reload_seconds(self) -> float:
        """How often the files are looked at."""
        return self._settings.reload_seconds

    def files(self) -> Sequence[Path]:
        """Mapping set, schema and golden cases."""
        settings = self._settings
        schema = settings.schema_path
        files = [settings.path, *([schema] if schema else [])]
        if settings.tests is not None:
            # A folder that cannot be read shows as one without cases: a change, and what is wrong is told when it is taken up.
            with contextlib.suppress(OSError):
                files += sorted(each for each in settings.tests.iterdir() if each.suffix == ".json")
        return files

    def load(self) -> Transform:
        """The transform of the files as they are. Raises ``MappingError``, ``SchemaError``, ``Disagreement``."""
        return self._transform_of(open_agreeing(self._settings, self._aep))

    def failing(self) -> Sequence[str]:
        """Names of the golden cases that do not hold."""
        return failing(self._settings)

    def newly_refused(self, in_use: Any, candidate: Any, recent: Sequence[Event]) -> Sequence[str]:
        """Why recent events that ``in_use`` takes would be refused by ``candidate``."""
        return reload_problems(in_use.builder.build, candidate.builder.build, recent)
