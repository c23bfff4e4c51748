"""A plan as text and as JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.adobe.provisioning.steps import Action, Change, Plan, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.adobe.provisioning.preflight import Check

MARKS: Final = {Action.CREATE: "+", Action.CHANGE: "~", Action.EXISTS: "=", Action.CONFLICT: "!"}
_WIDTH: Final = 18
_LONGEST: Final = 160


def lines(plan: Plan) -> Iterator[tuple[str, str]]:
    """Each line with the mark of its step; the details below a step have "" as theirs."""
    for step in plan.steps:
        identifier = f" ({step.identifier})" if step.identifier else ""
        adopted = " adopted" if step.action is Action.EXISTS and step.identifier else ""
        yield MARKS[step.action], f"{MARKS[step.action]} {step.kind:<{_WIDTH}} {step.name}{identifier}{adopted}"
        if step.note:
            yield "", f"    {step.note}"
        for change in step.changes:
            yield "", f"    {_change(change)}"
        if step.is_open and step.irreversible:
            yield "irreversible", f"    can never be undone: {step.irreversible}"
        if step.todo:
            yield "todo", f"    {step.todo}"


def _change(change: Change) -> str:
    old, new = _cut(change.old), _cut(change.new)
    if not change.old:
        return f"{change.path}: {new}"
    return f"{change.path}: {old} → {new or 'nothing'}"


def _cut(text: str) -> str:
    one = " ".join(text.split())
    return one if len(one) <= _LONGEST else one[: _LONGEST - 1] + "…"


def summary(plan: Plan) -> str:
    """How many of each, in one line."""
    counts = {action: sum(1 for step in plan.steps if step.action is action) for action in Action}
    told = (
        f"{counts[Action.CREATE]} to create, {counts[Action.CHANGE]} to change, {counts[Action.EXISTS]} as wanted,"
        f" {counts[Action.CONFLICT]} in conflict"
    )
    never = len(plan.irreversible)
    return told + (f"; {never} can never be undone" if never else "")


def as_json(plan: Plan, checks: Sequence[Check]) -> dict[str, Any]:
    """The plan for a program; ``exit`` is the exit code of ``setup plan``."""
    return {
        "checks": [
            {"name": one.name, "ok": one.ok, "words": one.words, **({"todo": one.todo} if one.todo else {})}
            for one in checks
        ],
        "steps": [_step(step) for step in plan.steps],
        "to_do": len(plan.open),
        "conflicts": len(plan.conflicts),
        "irreversible": len(plan.irreversible),
        "exit": 1 if any(one.ok is False for one in checks) else plan.exit_code,
    }


def _step(step: Step) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": str(step.kind), "name": step.name, "action": str(step.action)}
    if step.identifier:
        told["id"] = step.identifier
    if step.changes:
        told["changes"] = [
            {"path": change.path, "old": change.old or None, "new": change.new or None} for change in step.changes
        ]
    if step.is_open:
        told["irreversible"] = step.irreversible or None
    if step.todo:
        told["todo"] = step.todo
    if step.note:
        told["note"] = step.note
    return told
