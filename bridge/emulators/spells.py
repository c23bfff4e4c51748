"""Faults that every emulator knows: what ``POST /control`` may ask for, when a fault strikes, and when it ends.

Every fault takes ``count`` (a number of requests), ``seconds`` (from now on) and ``probability`` (a share of requests); with
neither count nor seconds it lasts until it is set to null. Keys that a control message does not name stay as they are.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator

if TYPE_CHECKING:
    from collections.abc import Callable


class Spell(BaseModel):
    """A fault with an end."""

    model_config = ConfigDict(extra="forbid")

    count: int | None = Field(None, ge=1, description="Number of requests.")
    seconds: float | None = Field(None, gt=0, description="Seconds from now.")
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


def status_alone(value: Any) -> Any:
    """A number stands for a failure with that status."""
    return {"status": value} if isinstance(value, int) and not isinstance(value, bool) else value


class SpellControl(BaseModel):
    """What a message to ``POST /control`` may say to any emulator."""

    model_config = ConfigDict(extra="forbid")

    fail: Fail | None = None
    hang: Hang | None = None
    reset: Reset | None = None
    latency_seconds: float = Field(0.0, ge=0)
    clear_faults: bool = Field(False, description="Forget every fault first.")
    clear_received: bool = Field(False, description="Forget what was received.")
    seed: int | None = Field(None, description="Seed of the probabilities.")

    @field_validator("fail", mode="before")
    @classmethod
    def _status_alone(cls, value: Any) -> Any:
        return status_alone(value)

    @field_validator("hang", mode="before")
    @classmethod
    def _seconds_alone(cls, value: Any) -> Any:
        return {"for_seconds": value} if isinstance(value, int | float) and not isinstance(value, bool) else value

    @field_validator("reset", mode="before")
    @classmethod
    def _when_alone(cls, value: Any) -> Any:
        return {"when": value} if isinstance(value, str) else value


S = TypeVar("S", bound=Spell)


class SpellBook:
    """The faults in force: ``spells`` names those with an end, ``standing`` what stays until it is changed."""

    spells: ClassVar[tuple[str, ...]]
    standing: ClassVar[tuple[str, ...]]

    def __init__(self, *, latency_seconds: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.chance = random.Random()  # nosec B311 # noqa: S311 - which requests fail is no secret
        self.latency_seconds = latency_seconds
        self.unauthorized_status = 401
        self.max_bytes: int | None = None
        self.fail: Fail | None = None
        self.hang: Hang | None = None
        self.reset: Reset | None = None
        self.struck = 0
        """Requests that any of the spells has hit so far."""

    def apply(self, control: SpellControl) -> None:
        """Take over the keys that the message names."""
        if control.clear_faults:
            for name in self.spells:
                setattr(self, name, None)
            self.latency_seconds = 0.0
            self.max_bytes = None
        if control.seed is not None:
            self.chance.seed(control.seed)
        for name in control.model_fields_set & {*self.spells, *self.standing}:
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
