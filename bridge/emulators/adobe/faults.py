"""How the emulator misbehaves: the vocabulary of ``POST /control``, and the spells it starts.

Every fault takes ``count`` (so many requests), ``seconds`` (so long) and ``probability`` (that share of requests); with
neither count nor seconds it lasts until it is set to null. Keys that a control message does not name stay as they are.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator

if TYPE_CHECKING:
    from collections.abc import Callable

Shape = Literal["documented", "current"]


class Spell(BaseModel):
    """A fault with an end."""

    model_config = ConfigDict(extra="forbid")

    count: int | None = Field(None, ge=1, description="So many requests.")
    seconds: float | None = Field(None, gt=0, description="So long from now.")
    probability: float = Field(1.0, gt=0, le=1, description="Share of the requests that it hits.")
    _until: float | None = PrivateAttr(None)
    _left: int | None = PrivateAttr(None)

    def start(self, now: float) -> None:
        """Begin to count and to measure."""
        self._until = None if self.seconds is None else now + self.seconds
        self._left = self.count

    def strikes(self, now: float, chance: random.Random) -> bool:
        """Whether it hits this request; uses up one of ``count`` if so."""
        if self.over(now) or (self.probability < 1 and chance.random() >= self.probability):
            return False
        if self._left is not None:
            self._left -= 1
        return True

    def over(self, now: float) -> bool:
        """Whether it has ended."""
        return self._left == 0 or (self._until is not None and now >= self._until)


class Fail(Spell):
    """Answer with a status instead of processing."""

    status: int = Field(503, ge=100, le=599)
    retry_after: float | None = Field(None, ge=0, description="Seconds in Retry-After.")
    retry_after_date: bool = Field(False, description="Give Retry-After as an HTTP date.")
    body: str | None = Field(None, description="Body instead of the documented one.")


class Hang(Spell):
    """Say nothing for a while, before or after processing."""

    for_seconds: float = Field(3600, gt=0)
    when: Literal["before", "after"] = "before"


class Reset(Spell):
    """Reset the connection, before or after processing."""

    when: Literal["before", "after"] = "before"


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


class Control(BaseModel):
    """One message to ``POST /control``."""

    model_config = ConfigDict(extra="forbid")

    fail: Fail | None = None
    ims: Fail | None = None
    hang: Hang | None = None
    reset: Reset | None = None
    item_failures: ItemFailures | None = None
    drop_responses: DropResponses | None = None
    latency_seconds: float = Field(0.0, ge=0)
    shape: Shape = "current"
    unauthorized_status: Literal[401, 403] = 401
    max_bytes: int | None = Field(None, ge=1, description="Larger requests get 413; null: the emulator's own limit.")
    token_ttl: float = Field(86_399, gt=0, description="expires_in of new tokens, seconds.")
    secrets: list[str] | None = Field(None, min_length=1, max_length=2, repr=False)
    revoke_tokens: bool = Field(False, description="Forget every token that was given out.")
    clear_faults: bool = Field(False, description="Forget every fault first.")
    clear_received: bool = Field(False, description="Forget what was received.")
    seed: int | None = Field(None, description="Seed of the probabilities.")
    platform: dict[str, Any] | None = Field(None, description="Of the platform APIs: see their own vocabulary.")

    @field_validator("fail", "ims", mode="before")
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


S = TypeVar("S", bound=Spell)
_SPELLS = ("fail", "ims", "hang", "reset", "item_failures", "drop_responses")
_STANDING = ("latency_seconds", "shape", "unauthorized_status", "max_bytes", "token_ttl")


class Faults:
    """The faults in force."""

    def __init__(
        self,
        *,
        latency_seconds: float = 0.0,
        shape: Shape = "current",
        token_ttl: float = 86_399,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.chance = random.Random()  # nosec B311 # noqa: S311 - which requests fail is no secret
        self.latency_seconds = latency_seconds
        self.shape: Shape = shape
        self.unauthorized_status = 401
        self.max_bytes: int | None = None
        self.token_ttl = token_ttl
        self.fail: Fail | None = None
        self.ims: Fail | None = None
        self.hang: Hang | None = None
        self.reset: Reset | None = None
        self.item_failures: ItemFailures | None = None
        self.drop_responses: DropResponses | None = None
        self.struck = 0
        """Requests that any of the spells has hit so far."""

    def apply(self, control: Control) -> None:
        """Take over the keys that the message names."""
        if control.clear_faults:
            for name in _SPELLS:
                setattr(self, name, None)
            self.latency_seconds = 0.0
            self.max_bytes = None
        if control.seed is not None:
            self.chance.seed(control.seed)
        for name in control.model_fields_set & {*_SPELLS, *_STANDING}:
            value = getattr(control, name)
            if isinstance(value, Spell):
                value.start(self.clock())
            setattr(self, name, value)

    def strike(self, spell: S | None) -> S | None:
        """The spell, if it hits this request."""
        if spell is None or not spell.strikes(self.clock(), self.chance):
            return None
        self.struck += 1
        return spell

    def shown(self) -> dict[str, Any]:
        """What is in force, for ``GET /control``."""
        now = self.clock()
        spells = {name: getattr(self, name) for name in _SPELLS}
        return {name: getattr(self, name) for name in _STANDING} | {
            name: None if spell is None or spell.over(now) else spell.model_dump(mode="json", exclude_none=True)
            for name, spell in spells.items()
        }
