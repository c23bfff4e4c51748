"""What becomes of a number of events under one mapping set: refused, lessened or nulled, counted by code and field.

The events go through the very function that the worker builds with; this module only counts, and explains with values,
allowed values and a fix what the worker, whose words must not quote values, cannot.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from bridge.mapping.compiler.output.output_values import follow
from bridge.mapping.compiler.row_sources import sources
from bridge.mapping.compiler.schema_fields import SchemaFields
from bridge.mapping.lint.value_fixes import explained
from bridge.mapping.sets.findings import Finding
from bridge.mapping.syntax.paths import Every, Index, Path, parse_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bridge.mapping.compiler.preparation import Prepared
    from bridge.mapping.workshop.outcomes import Judged, NoEvent
    from bridge.model.rules import Rules

Fate = Literal["refused", "lost", "nulled", "noted"]
_CODES: Final[Mapping[Fate, tuple[str, Literal["error", "warning"]]]] = {
    "refused": ("events_refused", "error"),
    "lost": ("events_lose_field", "warning"),
    "nulled": ("events_null_row", "warning"),
    "noted": ("events_noted", "warning"),
}
_VALUES: Final = 1_000
_QUIET: Final = frozenset({"map_value_as_json"})
"""Findings that say how a value leaves, not that something is lost or odd."""


class CheckedSchema(SchemaFields, Protocol):
    """A compiled schema: its fields, and its check."""

    def check(self, xdm: dict[str, Any]) -> tuple[dict[str, Any], Sequence[Any], Sequence[Any]]:
        """Give the event as it would leave, findings, and what it would be refused for."""


@dataclass(slots=True)
class Group:
    """Events to which the same happened at the same field. ``path``: dotted, ``[*]`` for elements; empty for the whole event.

    ``count`` events, the first of them ``first`` (from 1). ``row``: line of the mapping set that writes the field, 0 when unknown.
    """

    outcome: Fate
    code: str
    path: str
    reason: str
    row: int
    first: int
    place: str = ""
    """The JSON pointer, as dead letters and logs print it, in the first event."""
    count: int = 0
    values: Counter[Any] = field(default_factory=Counter)
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What became of ``events`` events: how many are refused, and every group, refused ones first."""

    events: int
    refused: int
    groups: tuple[Group, ...]

    @property
    def summary(self) -> str:
        """``10 of 10 events would be refused: xdm_enum _acme.loyalty.tier (7), …``."""
        if not self.events:
            return "there was no event to try"
        if not self.refused:
            lost = [group for group in self.groups if group.outcome in ("lost", "nulled")]
            more = f"; {len(lost)} field{'s' if len(lost) > 1 else ''} would be missing in some" if lost else ""
            return f"none of {self.events} events would be refused{more}"
        worst = [group for group in self.groups if group.outcome == "refused"]
        said = ", ".join(f"{group.code} {group.path} ({group.count})".replace("  ", " ") for group in worst[:3])
        return f"{self.refused} of {self.events} events would be refused: {said}{', …' if len(worst) > 3 else ''}"

    def findings(self) -> list[Finding]:
        """The groups as findings of lint."""
        found = []
        for group in self.groups:
            # lint says so itself, with the values of all samples in view.
            if group.code == "date_ambiguous":
                continue
            code, severity = _CODES[group.outcome]
            what = {
                "refused": f"would be refused ({group.code})",
                "lost": f"would lose a field ({group.code})",
                "nulled": "would have null here",
                "noted": f"are odd ({group.code})",
            }[group.outcome]
            where = f" at {group.path}" if group.path else ""
            message = f"{group.count} of {self.events} events {what}{where}: {group.reason}"
            found.append(
                Finding(group.row, "destination" if group.path else "file", code, message, severity, group.fix)
            )
        return found


class Judge:
    """Puts events through ``depart`` (mapped, checked, measured: all that the worker does to it) and counts what becomes of them.

    ``plain`` is the mapping alone: it gives the values that a refusal is about. ``schema`` knows what would be allowed.
    """

    def __init__(
        self,
        depart: Callable[[dict[str, Any]], Judged],
        plain: Callable[[dict[str, Any]], tuple[dict[str, Any], Any]],
        rows: Sequence[Prepared],
        schema: CheckedSchema | None = None,
        *,
        rules: Rules,
    ) -> None:
        self._refusals = rules.refusals
        self._depart = depart
        self._plain = plain
        self._rows = rows
        self._schema = schema

    def verdicts(self, given: Iterable[dict[str, Any] | NoEvent]) -> Verdicts:
        """Judge events in their order; what is no event counts as refused, as it becomes a dead letter."""
        groups: dict[tuple[str, ...], Group] = {}
        number = refused = 0
        for number, one in enumerate(given, start=1):
            if isinstance(one, dict):
                refused += self._event(one, number, groups)
            else:
                refused += 1
                _count(groups, Group("refused", one.code, "", one.reason, 0, number))
        for group in groups.values():
            path = _shared(parse_path(group.path)) if group.path else None
            # A row that writes the object around the field cannot be mended by a function over the object.
            row = next(
                (row for row in self._rows if row.row.row == group.row and _shared(row.target or ()) == path), None
            )
            at = self._schema.type_at(group.path) if self._schema is not None and group.path else None
            group.reason, group.fix = explained(group.code, group.reason, group.values, at, row)
        order: tuple[Fate, ...] = ("refused", "lost", "nulled", "noted")
        ranked = sorted(groups.values(), key=lambda one: (order.index(one.outcome), -one.count, one.path))
        return Verdicts(number, refused, tuple(ranked))

    def _event(self, event: dict[str, Any], number: int, groups: dict[tuple[str, ...], Group]) -> bool:
        built = self._depart(event)
        said: list[tuple[Fate, str, str, str]] = [("refused", *fault) for fault in self._faults(built)]
        for finding in built.findings:
            if finding.code not in _QUIET:
                outcome: Fate = "lost" if finding.code in self._refusals else "noted"
                said.append((outcome, finding.code, finding.path, finding.reason.removeprefix("left out: ")))
        values = self._plain(event)[0] if any(at not in ("", "#") for _, _, at, _ in said) else {}
        seen: set[tuple[str, ...]] = set()
        for outcome, code, at, reason in said:
            path, value = located(at, values)
            group = Group(outcome, code, path, reason, self._row(path), number, at)
            key = (outcome, code, path)
            if key not in seen:
                seen.add(key)
                group = _count(groups, group)
            _note(groups[key], value)
        for warning in built.warnings:
            path = next((one.destination for one in self._rows if one.row.row == warning.row), warning.destination)
            group = _count(groups, Group("nulled", "mapping", path, warning.reason, warning.row, number))
            for value in self._read(warning.row, event):
                _note(group, value)
        for dropped in built.dropped_identities:
            path = f"identityMap.{dropped.namespace}"
            _count(groups, Group("lost", "identity_dropped", path, dropped.reason, self._row(path), number))
        return built.rejection is not None

    def _faults(self, built: Judged) -> list[tuple[str, str, str]]:
        """Code, place and words of all for which an event is refused; the rejection itself tells only the first code."""
        if built.rejection is None:
            return []
        first, *more = faults_of(built.rejection.reason)
        found = [] if self._schema is None else self._schema.check(built.xdm)[2]
        codes = {one.path: one.code for one in found}
        faults = [*more, *((one.path, one.reason) for one in found)]
        others = {place: words for place, words in faults if place != first[0]}
        code = built.rejection.code
        return [(code, *first), *((codes.get(place, code), place, words) for place, words in others.items())]

    def _read(self, line: int, event: dict[str, Any]) -> list[Any]:
        """The values that the row at this line read from the event."""
        rows = [one for one in self._rows if one.row.row == line]
        return [follow(event, path) for one in rows for path, _ in sources(one)]

    def _row(self, path: str) -> int:
        """The row that writes ``path``, or the object that holds it, or something below it."""
        if not path:
            return 0
        wanted = parse_path(path)
        best, row = 0, 0
        for one in self._rows:
            target = _shared(one.target or ())
            common = len(target) if wanted[: len(target)] == target else 0
            if not common and target[: len(wanted)] == wanted:
                common = 1
            if common > best:
                best, row = common, one.row.row
        return row


def faults_of(reason: str) -> list[tuple[str, str]]:
    """Place (a JSON pointer, or "") and words of each fault that a rejection's reason names."""
    found: list[tuple[str, str]] = []
    for part in reason.split("; "):
        place, colon, words = part.partition(": ")
        if part.startswith("#") and colon:
            found.append((place, words))
        elif part.startswith("#/") and " " in part:
            place, _, words = part.partition(" ")
            found.append((place, f"it {words}"))
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]}; {part}")
        else:
            found.append(("", part))
    # "#/_id is required and null: row 3: …": the colon is not that of the place.
    return [
        (place.partition(" ")[0], f"it {place.partition(' ')[2]}: {words}") if " " in place else (place, words)
        for place, words in found
    ]


def located(pointer: str, xdm: Any) -> tuple[str, Any]:
    """The dotted path of a JSON pointer, elements as ``[*]``, and the value that stands there."""
    path, value = "", xdm
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list) and name.isdecimal():
            path += "[*]"
            value = value[int(name)] if int(name) < len(value) else None
            continue
        escaped = "".join(f"\\{letter}" if letter in ".[]\\" else letter for letter in name)
        path += f".{escaped}" if path else escaped
        value = value.get(name) if isinstance(value, dict) else None
    return path, value


def _shared(path: Path) -> Path:
    return tuple(Every() if isinstance(segment, Index) else segment for segment in path)


def _count(groups: dict[tuple[str, ...], Group], group: Group) -> Group:
    known = groups.setdefault((group.outcome, group.code, group.path), group)
    known.count += 1
    return known


def _note(group: Group, value: Any) -> None:
    if value is not None and not isinstance(value, dict | list) and len(group.values) < _VALUES:
        group.values[value] += 1
