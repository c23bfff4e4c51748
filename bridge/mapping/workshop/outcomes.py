"""What became of one event, as far as previews, golden cases and plans look at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.model.verdicts import Rejected


class NoEvent(Protocol):
    """Why a document is no event."""

    @property
    def code(self) -> str:
        """A short stable identifier."""

    @property
    def reason(self) -> str:
        """One sentence."""


class Outcome(Protocol):
    """One event mapped and judged: what would leave, or why nothing does."""

    @property
    def xdm(self) -> dict[str, Any]:
        """The object that the mapping made, as far as it got."""

    @property
    def rejection(self) -> Rejected | None:
        """Why it may not leave."""


class Judged(Outcome, Protocol):
    """The same with everything that was said on the way."""

    @property
    def warnings(self) -> Sequence[Any]:
        """Attributes that became null, each with ``row``, ``destination`` and ``reason``."""

    @property
    def dropped_identities(self) -> Sequence[Any]:
        """Identities that were left out, each with ``namespace`` and ``reason``."""

    @property
    def findings(self) -> Sequence[Any]:
        """Values that were left out or are odd, each with ``path``, ``code`` and ``reason``."""
