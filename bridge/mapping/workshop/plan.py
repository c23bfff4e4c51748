"""An old mapping set against a new one over real events: what changes, what would newly be refused, and what is wrong at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.workshop.event_verdicts import faults_of, located
from bridge.mapping.workshop.trace import differences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bridge.mapping.sets.findings import Finding
    from bridge.mapping.sets.mapping_set import MappingSet
    from bridge.mapping.workshop.outcomes import Judged

    Depart = Callable[[dict[str, Any]], Judged]

_SAID: Final = ("tenant", "primary_identity", "placeholders", "schema_path", "on_invalid", "strict")


@dataclass(slots=True)
class Changed:
    """One field of the output that differs: in how many events, and the values of the first."""

    path: str
    events: int
    first: int
    before: Any
    after: Any


@dataclass(slots=True)
class Moved:
    """Events that newly are refused or lose a field, or newly do not: by code and field, with the words of the first."""

    code: str
    path: str
    reason: str
    events: int
    first: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What taking the new set would do. ``problems``: why it must not be taken. ``events``: how many were compared."""

    events: int
    problems: tuple[str, ...] = ()
    changed: tuple[Changed, ...] = ()
    newly_refused: tuple[Moved, ...] = ()
    newly_accepted: tuple[Moved, ...] = ()
    newly_dropped: tuple[Moved, ...] = ()
    no_longer_dropped: tuple[Moved, ...] = ()
    rows: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    refused_before: int = 0
    refused_after: int = 0
    findings: tuple[Finding, ...] = field(default_factory=tuple)

    @property
    def exit_code(self) -> int:
        """0 nothing to do, 3 something changes, 1 it must not be taken as it is."""
        if self.problems or self.newly_refused:
            return 1
        moved = self.newly_accepted or self.newly_dropped or self.no_longer_dropped
        return 3 if self.changed or moved or self.rows or self.settings else 0

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "events": self.events,
            "refused_before": self.refused_before,
            "refused_after": self.refused_after,
            "problems": list(self.problems),
            "newly_refused": [_shown(one) for one in self.newly_refused],
            "newly_accepted": [_shown(one) for one in self.newly_accepted],
            "newly_dropped": [_shown(one) for one in self.newly_dropped],
            "no_longer_dropped": [_shown(one) for one in self.no_longer_dropped],
            "changed": [_shown(one) for one in self.changed],
            "rows": list(self.rows),
            "settings": list(self.settings),
            "findings": [one.as_json() for one in self.findings],
        }


def compare(old: Depart, new: Depart, events: Iterable[dict[str, Any]]) -> Plan:
    """Both sets over the same events.

    A field counts as newly dropped where the new set leaves it out of an event that the old one does not leave it out of.
    """
    lost: dict[tuple[str, str], Moved] = {}
    kept: dict[tuple[str, str], Moved] = {}
    changed: dict[str, Changed] = {}
    refused: dict[tuple[str, str], Moved] = {}
    accepted: dict[tuple[str, str], Moved] = {}
    number = before_count = after_count = 0
    for number, event in enumerate(events, start=1):
        before, after = old(event), new(event)
        before_count += before.rejection is not None
        after_count += after.rejection is not None
        if before.rejection is None and after.rejection is not None:
            _move(refused, after, number)
        elif before.rejection is not None and after.rejection is None:
            _move(accepted, before, number)
        elif after.rejection is None:
            was, now = _dropped(before), _dropped(after)
            for one, (reason, counted) in {
                **{one: (reason, lost) for one, reason in now.items() if one not in was},
                **{one: (reason, kept) for one, reason in was.items() if one not in now},
            }.items():
                counted.setdefault(one, Moved(*one, reason, 0, number)).events += 1
            seen: set[str] = set()
            for change in differences(before.xdm, after.xdm):
                path = _shared(change.path)
                known = changed.setdefault(path, Changed(path, 0, number, change.this, change.other))
                known.events += path not in seen
                seen.add(path)
    return Plan(
        number,
        changed=tuple(sorted(changed.values(), key=lambda one: (-one.events, one.path))),
        newly_refused=_ranked(refused),
        newly_accepted=_ranked(accepted),
        newly_dropped=_ranked(lost),
        no_longer_dropped=_ranked(kept),
        refused_before=before_count,
        refused_after=after_count,
    )


def rows_changed(old: MappingSet, new: MappingSet) -> list[str]:
    """``+``, ``-`` and ``~`` lines for rows that are new, gone, or read something else."""
    before = {row.destination: row for row in old.rows}
    after = {row.destination: row for row in new.rows}
    lines = [f"+ {row.destination} = {row.source}" for name, row in after.items() if name not in before]
    lines += [f"- {row.destination} = {row.source}" for name, row in before.items() if name not in after]
    for name, row in after.items():
        was = before.get(name)
        if was is not None and (was.source, was.source_type) != (row.source, row.source_type):
            lines.append(f"~ {name} = {row.source} (was {was.source})")
    return lines


def settings_changed(old: object, new: object) -> list[str]:
    """Tenant, namespaces, schema: what else differs beside the rows, by the settings of the mapping."""
    return [
        f"{name.removesuffix('_path')}: {getattr(old, name)} -> {getattr(new, name)}"
        for name in _SAID
        if getattr(old, name) != getattr(new, name)
    ]


def reload_problems(old: Depart, new: Depart, events: Sequence[dict[str, Any]]) -> list[str]:
    """Why a changed set is not to be taken while events come in: those of the newest that it alone would refuse. No values."""
    found = compare(old, new, events)
    return [
        f"it would refuse {one.events} of the last {found.events} sampled events that the set in use takes: {one.code} {one.path}".rstrip()
        for one in found.newly_refused
    ]


def _move(moved: dict[tuple[str, str], Moved], built: Judged, number: int) -> None:
    rejection = built.rejection
    if rejection is None:
        return
    (place, reason), *_ = faults_of(rejection.reason)
    path = located(place, built.xdm)[0]
    known = moved.setdefault((rejection.code, path), Moved(rejection.code, path, reason, 0, number))
    known.events += 1


def _dropped(built: Judged) -> dict[tuple[str, str], str]:
    """Code and field, without indices, of what was left out of an event, with the first words about it."""
    found: dict[tuple[str, str], str] = {}
    for one in built.findings:
        field: str | None = getattr(one, "field", None)
        if field is not None:
            found.setdefault((one.code, field), one.reason.removeprefix("left out: "))
    return found


def _ranked(moved: dict[tuple[str, str], Moved]) -> tuple[Moved, ...]:
    return tuple(sorted(moved.values(), key=lambda one: (-one.events, one.code, one.path)))


def _shared(path: str) -> str:
    parts = path.split("[")
    return parts[0] + "".join(f"[*]{part.partition(']')[2]}" for part in parts[1:])


def _shown(one: Changed | Moved) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__slots__}
