"""How the platform APIs misbehave: the part ``platform`` of a control message, and what an option of the command sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from bridge.emulators.adobe.platform.destination_connections import Connection
from bridge.emulators.spells import Spell

if TYPE_CHECKING:
    from bridge.emulators.adobe.faults import Faults


class Trouble(Spell):
    """Something that befalls the calls that fit: of one method, to paths that hold a text."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] | None = Field(
        None, description="Only calls with this method."
    )
    path: str = Field("", description="Only calls whose path holds this text, such as /flows.")
    skip: int = Field(0, ge=0, description="Number of calls that fit and pass first.")
    when: Literal["before", "after"] = Field("before", description="Before the call has its effect, or after it.")

    def fits(self, method: str, path: str) -> bool:
        """Whether a call is meant; uses up one of ``skip`` if so."""
        if (self.method is not None and method != self.method) or self.path not in path:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        return True


class PlatformFail(Trouble):
    """Answer with a status: 429 and 503 with Retry-After, in the gateway's shape."""

    status: int = Field(503, ge=100, le=599)
    retry_after: float | None = Field(None, ge=0, description="Seconds in Retry-After.")
    body: str | None = Field(None, description="Body instead of the gateway's.")


class PlatformHang(Trouble):
    """Say nothing for a while: with ``when: after`` the time-out of a call that took effect."""

    for_seconds: float = Field(3600, gt=0)


class PlatformControl(BaseModel):
    """What ``POST /control`` may say of the platform APIs."""

    model_config = ConfigDict(extra="forbid")

    fail: PlatformFail | None = None
    hang: PlatformHang | None = None
    reset: Trouble | None = None
    latency_seconds: float = Field(0.0, ge=0)
    oddities: dict[str, Any] = Field(default_factory=dict, description="Readings to change, by name.")
    permissions: list[str] | None = Field(
        None, description="What the credential's role grants, such as manage-schemas; null: everything."
    )
    entitled: bool = Field(
        True, description="Without it the gateway answers 403025: the credential has no product profile."
    )
    warm_up_seconds: float | None = Field(None, ge=0)
    initializing_seconds: float | None = Field(None, ge=0)
    schema_cache_seconds: float | None = Field(None, ge=0)
    metrics_lag_seconds: float | None = Field(None, ge=0)
    hide_flows: list[str] | None = Field(None, description="Ids of dataflows with a label that the caller may not see.")
    connections: list[Connection] = Field(
        default_factory=list, description="Connections to private destinations that somebody has made in the screens."
    )
    settle: bool = Field(False, description="Close the batch under way now, without waiting for its time.")
    expire: bool = Field(False, description="Forget failed batches that are older than the retention now.")
    clear: bool = Field(False, description="Empty every sandbox.")

    @field_validator("fail", mode="before")
    @classmethod
    def _status_alone(cls, value: Any) -> Any:
        return {"status": value} if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("reset", mode="before")
    @classmethod
    def _when_alone(cls, value: Any) -> Any:
        return {"when": value} if isinstance(value, str) else value


class Troubles:
    """The troubles in force."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.clear()

    def clear(self) -> None:
        """Forget them."""
        self.fail: PlatformFail | None = None
        self.hang: PlatformHang | None = None
        self.reset: Trouble | None = None
        self.latency_seconds = 0.0

    def apply(self, control: PlatformControl) -> None:
        """Take over the keys that the message names."""
        for name in control.model_fields_set & {"fail", "hang", "reset"}:
            value = getattr(control, name)
            if value is not None:
                value.start(self._faults.clock())
            setattr(self, name, value)
        if "latency_seconds" in control.model_fields_set:
            self.latency_seconds = control.latency_seconds

    def struck(self, name: Literal["fail", "hang", "reset"], when: str, method: str, path: str) -> Any:
        """The trouble of that name, if it befalls this call at this moment."""
        spell: Trouble | None = getattr(self, name)
        if spell is None or spell.when != when or spell.over(self._faults.clock()) or not spell.fits(method, path):
            return None
        return self._faults.strike(spell)

    def shown(self) -> dict[str, Any]:
        """What is in force."""
        now = self._faults.clock()
        every: dict[str, Spell | None] = {"fail": self.fail, "hang": self.hang, "reset": self.reset}
        return {"latency_seconds": self.latency_seconds} | {
            name: None if one is None or one.over(now) else one.model_dump(mode="json", exclude_none=True)
            for name, one in every.items()
        }
