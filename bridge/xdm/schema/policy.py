"""Where a wrong value is dropped and where the event is refused for it, by place of the schema."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Steps = tuple[str, ...]
"""A place of the schema: names, ``[*]`` for the items of an array, ``*`` for properties without a name."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy at one place and below. ``firm``: a wrong value refuses the event; else it is dropped where it is optional.

    ``rules``: what holds from a place below on, instead. ``label`` is the place as text, for metrics.
    """

    firm: bool = False
    rules: Mapping[Steps, bool] = field(default_factory=dict)
    label: str = ""

    @property
    def named(self) -> frozenset[str]:
        """The names right below this place of which a rule speaks."""
        return frozenset(steps[0] for steps in self.rules if steps[0] not in ("*", "[*]"))

    def below(self, step: str) -> Policy:
        """The policy at one step further down."""
        rules = {steps[1:]: firm for steps, firm in self.rules.items() if len(steps) > 1 and steps[0] == step}
        label = f"{self.label}{step}" if step == "[*]" else f"{self.label}.{step}" if self.label else step
        return Policy(self.rules.get((step,), self.firm), rules, label)


def policy_of(firm: bool, rows: Iterable[tuple[Steps, bool]]) -> Policy:
    """``firm`` for everything, and what rows say of their destinations; where two rows write one place the firm one counts."""
    rules: dict[Steps, bool] = {}
    for steps, one in rows:
        if steps:
            rules[steps] = rules.get(steps, False) or one
    return Policy(firm, rules)
