"""How this emulator misbehaves: the vocabulary of ``POST /control``; what both emulators know means the same in both."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bridge.emulators.spells import Spell, SpellBook, SpellControl

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


class Control(SpellControl):
    """One message to ``POST /control``."""

    refuse: Refuse | None = None
    lose: Lose | None = None
    unauthorized_status: Literal[401, 403, 409] = 401
    max_bytes: int | None = Field(None, ge=1, description="Larger requests get 413; null: MoEngage's own limits.")
    limits: Limits = Limits()
    reset_form: Literal["left", "epoch", "retry_after", "none"] = Field(
        "left",
        description="How a 429 says when: x-ratelimit-reset as seconds left or since 1970, Retry-After, or not at all.",
    )
    api_keys: list[str] | None = Field(None, min_length=1, repr=False, description="Keys that are valid from now on.")


class Faults(SpellBook):
    """The faults in force."""

    spells = ("fail", "hang", "reset", "refuse", "lose")
    standing = ("latency_seconds", "unauthorized_status", "max_bytes", "limits", "reset_form")

    def __init__(
        self, *, latency_seconds: float = 0.0, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(latency_seconds=latency_seconds, clock=clock)
        self.limits = limits or Limits()
        self.reset_form = "left"
        self.refuse: Refuse | None = None
        self.lose: Lose | None = None

    def shown(self) -> dict[str, Any]:
        """What is in force, for ``GET /control``."""
        now = self.clock()
        shown: dict[str, Any] = {}
        for name in (*self.standing, *self.spells):
            value = getattr(self, name)
            if isinstance(value, Spell) and value.over(now):
                value = None
            shown[name] = value.model_dump(mode="json", exclude_none=True) if isinstance(value, BaseModel) else value
        return shown
