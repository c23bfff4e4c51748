"""What a running process tells of itself beyond numbers, served at ``/status`` as JSON: one typed form for whoever shows it.

Times are seconds since 1970. Words are for an operator: no payloads, no secrets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class DestinationReport:
    """How the destination answers. ``good`` is None before its first answer; ``next_try`` is "" while nothing holds requests back."""

    host: str
    good: bool | None
    answer: str
    since: float | None
    next_try: str


@dataclass(frozen=True, slots=True)
class MappingReport:
    """The mapping set in use, and the last change of its files that was refused (``refused_at`` None: none was)."""

    name: str
    sha256: str
    since: float
    refused_at: float | None = None
    refused_why: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """One process. ``joined`` and ``partitions`` are a worker's; ``lag_known``: the brokers answer."""

    role: Literal["worker", "receiver"]
    joined: bool | None = None
    partitions: int | None = None
    lag_known: bool | None = None
    destination: DestinationReport | None = None
    mapping: MappingReport | None = None
