"""Settings of the daily sum of all events."""

from __future__ import annotations

import re
from datetime import time
from typing import Any

from pydantic import Field, field_validator

from bridge.settings.section import Section

_TIME = re.compile(r"^\d{2}:\d{2}$")


class ReconcileSettings(Section):
    """When one worker of a route adds up the events of the day before."""

    at: time | None = Field(
        None,
        description="Time of day (UTC, HH:MM) at which one worker adds up every event of the day before, as `aep-bridge reconcile`"
        " does; not set: never. Some hours after midnight, so that AEP has made its batches.",
        examples=["04:00"],
    )

    @field_validator("at", mode="before")
    @classmethod
    def _minutes(cls, value: Any) -> Any:
        if value is None or isinstance(value, time):
            return value
        if not isinstance(value, str) or not _TIME.match(value.strip()):
            raise ValueError("expected a time of day as HH:MM, in UTC")
        return value.strip()
