"""Settings of a running process: the worker's bounds, and telemetry."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from bridge.settings.section import Port, Seconds, Section


class WorkerSettings(Section):
    """How the worker bounds its memory and its stops."""

    processes: int = Field(
        1,
        ge=1,
        le=256,
        description="Worker processes that one `aep-bridge worker` runs and watches over; useful up to the cores of the machine"
        " and the partitions of the topic.",
        examples=["4"],
    )
    drain_seconds: Seconds = Field(
        20, description="Budget to finish, commit and leave the group after SIGTERM or a revoke.", examples=["20"]
    )
    max_in_flight_events: int = Field(
        12_000,
        ge=100,
        description="Events between fetch and acknowledgement; above it partitions pause.",
        examples=["12000"],
    )
    max_in_flight_bytes: int = Field(
        64_000_000, ge=1_000_000, description="The same bound in bytes of Kafka records.", examples=["64000000"]
    )
    stall_seconds: float = Field(
        300,
        ge=0,
        description="When records wait, the destination answers and yet no event is finished for this time, or the brokers do not"
        " answer: the worker is not ready, logs where its tasks are and exits for a restart; 0 never.",
        examples=["300"],
    )
    unreadable: Literal["hold", "set_aside"] = Field(
        "hold",
        description="What becomes of a stored record that cannot be read (damaged, or not as Kafka's protocol wants it): `hold` its"
        " partition and try again, or `set_aside` as a dead letter after three tries and go on behind it.",
        examples=["hold"],
    )
    hang_seconds: float = Field(
        30,
        ge=0,
        le=30,
        description="Worker and receiver: when one call blocks the whole process for this time, the process writes where to stderr and"
        " exits for a restart; 0 never.",
        examples=["30"],
    )

    @field_validator("hang_seconds")
    @classmethod
    def _long_enough(cls, seconds: float) -> float:
        if 0 < seconds < 1:
            raise ValueError("must be 0 (never) or at least 1")
        return seconds


class TelemetrySettings(Section):
    """What operators look at."""

    host: str = Field("127.0.0.1", description="Address of /metrics and /health.", examples=["127.0.0.1"])
    port: Port = Field(9464, description="Port of /metrics and /health; 0 uses any free port.", examples=["9464"])
    log_format: Literal["console", "json"] = Field("console", description="Form of log lines.", examples=["json"])
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest level that is logged.", examples=["info"]
    )
