"""What AEP asks of an ExperienceEvent, as the mapping's tools need to know it."""

from __future__ import annotations

from typing import Final

from bridge.model.rules import Rules
from bridge.xdm.problems import REJECTION_CODES
from bridge.xdm.required import parse_date_time
from bridge.xdm.schema.event_class import WANTED

RULES: Final = Rules(
    required=("_id", "timestamp", "identityMap"),
    refusals=REJECTION_CODES,
    is_date_time=lambda text: parse_date_time(text) is not None,
    schema_wanted=WANTED,
)
