"""Names of attributes and events against MoEngage's rules; each name is judged once. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.destinations.moengage import limits

if TYPE_CHECKING:
    from collections.abc import Collection

    from bridge.destinations.moengage.remarks import Report

_KEPT: Final = 10_000
"""Names that are remembered, so that data with ever new ones cannot fill the memory."""


class Names:
    """The names seen so far, of attributes of users and of events and of events themselves."""

    def __init__(self) -> None:
        self.good: dict[str, set[str]] = {"customer": set(), "event": set(), "action": set()}
        """By kind, names of which nothing is to be said."""
        self._seen: dict[str, set[str]] = {"customer": set(), "action": set()}

    def attribute(self, kind: str, name: str, path: str, field: str, report: Report) -> None:
        """An attribute of ``customer`` or ``event``."""
        if name in self.good[kind]:
            return
        if (wrong := name_problem(kind, name)) is not None:
            report.refuse(path, *wrong, field)
        elif len(name) > limits.NAME_CHARACTERS:
            report.find(path, "name_long", _cut(name), field[: limits.NAME_CHARACTERS])
        elif kind == "customer" and name in limits.NOT_UPDATED:
            report.find(path, "not_updated", "the SDK owns it: only a new user gets it", field)
        else:
            self._keep(kind, name)

    def action(self, name: str, path: str, field: str, report: Report) -> None:
        """The name of an event."""
        if name in self.good["action"]:
            return
        if name.startswith(limits.OWN_PREFIX):
            report.refuse(path, "name_prefix", "an event's name may not begin with moe_", field)
            return
        before = len(report.findings)
        if len(name) > limits.NAME_CHARACTERS:
            report.find(path, "name_long", _cut(name), field)
        if "." in name:
            report.find(path, "event_name_dot", "MoEngage writes a blank in place of a dot", field)
        if (many := self._count("action", (name,))) > limits.EVENT_NAMES:
            reason = f"there were {many} event names since the start; a workspace has {limits.EVENT_NAMES}"
            report.find(path, "event_names_many", reason, field)
        if len(report.findings) == before:
            self._keep("action", name)

    def of_users(self, names: Collection[str], path: str, report: Report) -> None:
        """The attributes of one user: the number is a limit of the workspace, not of each user."""
        if self._seen["customer"].issuperset(names):
            return
        if (many := self._count("customer", names)) > limits.USER_ATTRIBUTES:
            reason = f"there were {many} user attributes since the start; a workspace has {limits.USER_ATTRIBUTES}"
            report.find(path, "attributes_many", reason, "customer.attributes")

    def _count(self, kind: str, names: Collection[str]) -> int:
        seen = self._seen[kind]
        if len(seen) < _KEPT:
            seen.update(names)
        return len(seen)

    def _keep(self, kind: str, name: str) -> None:
        if len(self.good[kind]) < _KEPT:
            self.good[kind].add(name)


def name_problem(kind: str, name: str) -> tuple[str, str] | None:
    """Code and words of why an attribute of ``customer`` or ``event`` may not have this name; None where it may."""
    if name in limits.BLOCKED_NAMES:
        return "name_blocked", "MoEngage blocks attributes named id, _id or nothing at all"
    allowed = limits.DOCUMENTED_USER_NAMES if kind == "customer" else limits.DOCUMENTED_EVENT_NAMES
    if name.startswith(limits.OWN_PREFIX) and name not in allowed:
        return (
            "name_prefix",
            "moe_ is MoEngage's own prefix, and this is not one of the names that it lets others write",
        )
    if kind == "customer" and (name in limits.RESERVED_USER_NAMES or name.startswith(limits.RESERVED_USER_PREFIXES)):
        return "name_reserved", "MoEngage reserves this name"
    return None


def _cut(name: str) -> str:
    return f"of the name's {len(name)} characters the first {limits.NAME_CHARACTERS} are kept"
