"""How this emulator misbehaves: the vocabulary of ``POST /control``; what both emulators know means the same in both."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from bridge.emulators.adobe.faults import Fail, Hang, Reset, Spell

if TYPE_CHECKING:
    from collections.abc import Callable


class Refuse(Spell):
    """Refuse every request with an element of one of these customers, as MoEngage does: without saying which element."""

    customer_ids: frozenset[str] = Field(description="Customers whose elements are refused.")
    type: str = "ValueError"
    message: str = "the element cannot be processed"
    status: int = Field(400, ge=200, le=599, description="With 200 the body alone says that it failed.")


class Lose(Spell):
    """Answer 200 and do not process the elements of some customers."""

    customer_ids: frozenset[str] | None = Field(None, description="Customers whose elements are lost; null: of all.")


class Limits(BaseModel):
    """Most users, events, devices and requests in one window; 0 for none."""

    model_config = ConfigDict(extra="forbid")

    users: int = Field(0, ge=0, description="Users a minute.")
    events: int = Field(0, ge=0, description="Events a minute.")
    devices: int = Field(0, ge=0, description="Devices a minute.")
    requests: int = Field(0, ge=0, description="Requests a minute.")
    requests_per_second: int = Field(0, ge=0, description="Requests a second.")


class Control(BaseModel):
    """One message to ``POST /control``."""

    model_config = ConfigDict(extra="forbid")

    fail: Fail | None = None
    hang: Hang | None = None
    reset: Reset | None = None
    refuse: Refuse | None = None
    lose: Lose | None = None
    latency_seconds: float = Field(0.0, ge=0)
    unauthorized_status: Literal[401, 403, 409] = 401
    max_bytes: int | None = Field(None, ge=1, description="Larger requests get 413; null: MoEngage's own limits.")
    limits: Limits = Limits()
    reset_form: Literal["left", "epoch", "retry_after", "none"] = Field(
        "left",
        description="How a 429 says when: x-ratelimit-reset as seconds left or since 1970, Retry-After, or not at all.",
    )
    api_keys: list[str] | None = Field(None, min_length=1, repr=False, description="Keys that are valid from now on.")
    clear_faults: bool = Field(False, description="Forget every fault first.")
    clear_received: bool = Field(False, description="Forget what was received.")
    seed: int | None = Field(None, description="Seed of the probabilities.")

    @field_validator("fail", mode="before")
    @classmethod
    def _status_alone(cls, value: Any) -> Any:
        return {"status": value} if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("hang", mode="before")
    @classmethod
    def _seconds_alone(cls, value: Any) -> Any:
        return {"for_seconds": value} if isinstance(value, int | float) and not isinstance(value, bool) else value

    @field_validator("reset", mode="before")
    @classmethod
    def _when_alone(cls, value: Any) -> Any:
        return {"when": value} if isinstance(value, str) else value


_SPELLS = ("fail", "hang", "reset", "refuse", "lose")
_STANDING = ("latency_seconds", "unauthorized_status", "max_bytes", "limits", "reset_form")


class Faults:
    """The faults in force."""

    def __init__(
        self, *, latency_seconds: float = 0.0, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.clock = clock
        self.chance = random.Random()  # nosec B311 # noqa: S311 - which requests fail is no secret
        self.latency_seconds = latency_seconds
        self.unauthorized_status = 401
        self.max_bytes: int | None = None
        self.limits = limits or Limits()
        self.reset_form = "left"
        self.fail: Fail | None = None
        self.hang: Hang | None = None
        self.reset: Reset | None = None
        self.refuse: Refuse | None = None
        self.lose: Lose | None = None

    def apply(self, control: Control) -> None:
        """Take over the keys that the message names."""
        if control.clear_faults:
            for name in _SPELLS:
                setattr(self, name, None)
            self.latency_seconds, self.max_bytes = 0.0, None
        if control.seed is not None:
            self.chance.seed(control.seed)
        for name in control.model_fields_set & {*_SPELLS, *_STANDING}:
            value = getattr(control, name)
            if isinstance(value, Spell):
                value.start(self.clock())
            setattr(self, name, value)

    def strikes(self, spell: Spell | None) -> bool:
        """Whether the spell hits this request."""
        return spell is not None and spell.strikes(self.clock(), self.chance)

    def shown(self) -> dict[str, Any]:
        """What is in force, for ``GET /control``."""
        now = self.clock()
        shown: dict[str, Any] = {}
        for name in (*_STANDING, *_SPELLS):
            value = getattr(self, name)
            if isinstance(value, Spell) and value.over(now):
                value = None
            shown[name] = value.model_dump(mode="json", exclude_none=True) if isinstance(value, BaseModel) else value
        return shown
