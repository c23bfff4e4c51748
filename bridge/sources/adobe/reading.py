"""How the settings of a route want Adobe's messages read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.sources.adobe.audiences import AudienceFilter

if TYPE_CHECKING:
    from bridge.settings import AdobeSettings


@dataclass(frozen=True, slots=True)
class ProfileReading:
    """How messages are read: ``namespace`` of customer ids in lower case; ``several``: reject, first or each of several ids.

    ``anonymous``: profiles without a customer id go on, as the mapping gives identifiers for Identity Resolution.
    """

    namespace: str
    several: str
    chosen: AudienceFilter
    anonymous: bool = False

    @classmethod
    def of(cls, settings: AdobeSettings, *, anonymous: bool = False) -> ProfileReading:
        """As the settings say."""
        return cls(settings.customer_id_namespace.lower(), settings.several_ids, AudienceFilter(settings), anonymous)
