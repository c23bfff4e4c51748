"""How the emulator misbehaves: the vocabulary of ``POST /control``, and the spells it starts.

What every fault takes: :mod:`bridge.emulators.spells`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from bridge.emulators.spells import Fail, Spell, SpellBook, SpellControl, status_alone

if TYPE_CHECKING:
    from collections.abc import Callable

Shape = Literal["documented", "current"]


class ItemFailures(Spell):
    """Refuse single events inside a 207."""

    shape: Shape | None = Field(None, description="Shape of the failed items; else the emulator's.")
    every: int | None = Field(None, ge=1, description="Every n-th event, counted over requests.")
    ids: frozenset[str] | None = Field(None, description="Events with these _id.")
    status: int = Field(400, ge=100, le=599)
    message: str = "Message is invalid"


class DropResponses(Spell):
    """Leave the last items out of a 207, as Adobe's own sample does."""

    by: int = Field(1, ge=1)


class Control(SpellControl):
    """One message to ``POST /control``."""

    ims: Fail | None = None
    item_failures: ItemFailures | None = None
    drop_responses: DropResponses | None = None
    shape: Shape = "current"
    unauthorized_status: Literal[401, 403] = 401
    max_bytes: int | None = Field(None, ge=1, description="Larger requests get 413; null: the emulator's own limit.")
    token_ttl: float = Field(86_399, gt=0, description="expires_in of new tokens, seconds.")
    secrets: list[str] | None = Field(None, min_length=1, max_length=2, repr=False)
    revoke_tokens: bool = Field(False, description="Forget every token that was given out.")
    platform: dict[str, Any] | None = Field(None, description="Of the platform APIs: see their own vocabulary.")

    @field_validator("ims", mode="before")
    @classmethod
    def _ims_status_alone(cls, value: Any) -> Any:
        return status_alone(value)


class Faults(SpellBook):
    """The faults in force."""

    spells = ("fail", "ims", "hang", "reset", "item_failures", "drop_responses")
    standing = ("latency_seconds", "shape", "unauthorized_status", "max_bytes", "token_ttl")

    def __init__(
        self,
        *,
        latency_seconds: float = 0.0,
        shape: Shape = "current",
        token_ttl: float = 86_399,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(latency_seconds=latency_seconds, clock=clock)
        self.shape: Shape = shape
        self.token_ttl = token_ttl
        self.ims: Fail | None = None
        self.item_failures: ItemFailures | None = None
        self.drop_responses: DropResponses | None = None

    def shown(self) -> dict[str, Any]:
        """What is in force, for ``GET /control``."""
        now = self.clock()
        spells = {name: getattr(self, name) for name in self.spells}
        return {name: getattr(self, name) for name in self.standing} | {
            name: None if spell is None or spell.over(now) else spell.model_dump(mode="json", exclude_none=True)
            for name, spell in spells.items()
        }
