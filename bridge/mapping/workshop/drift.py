"""What comes in and is not mapped: attributes and event codes that no row reads, kinds that change, rows that read nothing.

MoEngage's marketers add and rename attributes without telling anybody. A :class:`Drift` looks at events one by one and keeps a
bounded sketch: paths, kinds, counts, first and last time, one masked example each; never an event.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.compiler.row_sources import reads_of, sources
from bridge.mapping.lint.name_likeness import likeness, resemblance
from bridge.mapping.syntax.nodes import Literal, walk
from bridge.mapping.syntax.paths import Every, Index, Key, Path, parse_path, print_path
from bridge.mapping.workshop.sample_payload import mask

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.mapping.compiler.preparation import Prepared
    from bridge.mapping.compiler.schema_fields import SchemaFields

MAX_PATHS: Final = 2_000
"""More are not kept; :attr:`Drift.overflow` counts how often one was left out."""
_MAX_DEPTH: Final = 12
_PLAIN: Final = frozenset({"string", "integer", "number", "boolean"})
_ALIKE: Final = 0.6
"""How much the names of an attribute and of a field have in common before a row is proposed for the two."""
_MAX_LEAVES: Final = 1_000
_CODE: Final = (Key("event_code"),)
_OURS: Final = frozenset({"id", "time", "identities", "kind", "received_at", "audiences"})
"""Members that decoders add, or make of what came: nobody need read them."""
_TWINS: Final[dict[Path, Path]] = {
    (Key("identities"), Key("externalId")): (Key("uid"),),
    (Key("identities"), Key("email")): (Key("email_id"),),
    (Key("identities"), Key("phone")): (Key("mobile_number"),),
    (Key("identities"), Key("moengageUserId")): (Key("user_attributes"), Key("moengage_user_id")),
    (Key("id"),): (Key("event_uuid"),),
    (Key("time"),): (Key("event_time"),),
}
"""Canonical paths, and MoEngage's own for the same value: who reads the one has read the other."""


@dataclass(slots=True)
class Seen:
    """One path (or event code): in how many events, first and last (seconds since the epoch), kinds, a masked example."""

    first: float
    last: float
    count: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    example: Any = None

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "events": self.count,
            "first": self.first,
            "last": self.last,
            "kinds": dict(self.kinds),
            "example": self.example,
        }


class Drift:
    """The sketch of one mapping set's rows. Not for several threads."""

    def __init__(self, rows: Sequence[Prepared]) -> None:
        self._reads = {_shared(path): lines for path, lines in reads_of(rows).items()}
        self._covered = {*self._reads, *(_TWINS[path] for path in self._reads if path in _TWINS)}
        self._listed = _codes_listed(rows)
        self._paths: dict[Path, Seen] = {}
        self._codes: dict[str, Seen] = {}
        self.events = 0
        self.overflow = 0
        self._valued = 0

    def look(self, event: dict[str, Any], at: float) -> None:
        """Take note of one canonical event that came at ``at``."""
        self.events += 1
        for path, value in _leaves(event):
            seen = self._paths.get(path)
            if seen is None:
                if len(self._paths) >= MAX_PATHS:
                    self.overflow += 1
                    continue
                seen = self._paths[path] = Seen(at, at)
            self._valued += _note(seen, value, at)
        code = event.get("event_code")
        if isinstance(code, str) and (code in self._codes or len(self._codes) < MAX_PATHS):
            _note(self._codes.setdefault(code, Seen(at, at)), None, at)

    @property
    def paths(self) -> tuple[int, int]:
        """How many paths are kept, and how many of them have a value: as long as neither changes nothing new is unmapped."""
        return len(self._paths), self._valued

    def unmapped(self) -> dict[str, Seen]:
        """Attributes that came with a value and that no row reads, the most frequent first."""
        found = {
            print_path(path): seen
            for path, seen in self._paths.items()
            if seen.example is not None and not self._is_read(path)
        }
        return dict(sorted(found.items(), key=lambda one: (-one[1].count, one[0])))

    def unlisted_codes(self) -> dict[str, Seen]:
        """Event codes that no row names, where rows tell event codes apart."""
        if not self._listed:
            return {}
        found = {code: seen for code, seen in self._codes.items() if code not in self._listed}
        return dict(sorted(found.items(), key=lambda one: (-one[1].count, one[0])))

    def changed_kinds(self) -> dict[str, Seen]:
        """Paths that hold values of more than one kind."""
        return {
            print_path(path): seen
            for path, seen in sorted(self._paths.items(), key=lambda one: print_path(one[0]))
            if len(seen.kinds) > 1
        }  # fmt: skip

    def unseen(self) -> dict[str, list[int]]:
        """Source paths that no event had, with the lines of the rows that read them."""
        known = set(self._paths)
        above = {path[:length] for path in known for length in range(1, len(path) + 1)}
        twins = {path for path, twin in _TWINS.items() if twin in above}
        return {
            print_path(path): lines for path, lines in self._reads.items() if path not in above and path not in twins
        }

    def _is_read(self, path: Path) -> bool:
        if any(path[:length] in self._covered for length in range(1, len(path) + 1)):
            return True
        return isinstance(path[0], Key) and path[0].name in _OURS


def row_to_add(path: str, taken: Sequence[str] = ()) -> str:
    """A CSV row that would map the path below the tenant, under a name in XDM's manner that is not ``taken``."""
    name = re.sub(r"\[\*\]|\$\{|\}|\\", "", path.rpartition(".")[2])
    words = [word for word in re.split(r"[^A-Za-z0-9]+", name) if word] or ["attribute"]
    camel = words[0][:1].lower() + words[0][1:] + "".join(word[:1].upper() + word[1:] for word in words[1:])
    place = f"{{tenant}}.{camel}"
    while place in taken:
        place += "2"
    return f"ATTRIBUTE,{_cell(path)},{place}"


def row_for_schema(path: str, schema: SchemaFields, taken: Sequence[str], tenant: str) -> str | None:
    """The same into the field of ``schema`` whose name says what the path's does, where it has one that no row writes yet.

    ``taken``: destinations of the rows, ``tenant`` in place of ``{tenant}``.
    """
    source = parse_path(path)
    best: tuple[float, str] | None = None
    for known in schema.fields():
        if known.type not in _PLAIN or "[*]" in known.path or ".*" in known.path or _is_written(known.path, taken):
            continue
        target = parse_path(known.path)
        if len(target) > 1 and target[0] == Key(tenant):
            target = target[1:]
        alike = max(likeness(target, source) * 1.0, resemblance(target, source))
        if alike >= _ALIKE and (best is None or alike > best[0]):
            best = (alike, known.path)
    if best is None:
        return None
    place = best[1].removeprefix(f"{tenant}.")
    return f"ATTRIBUTE,{_cell(path)},{_cell(place if place == best[1] else f'{{tenant}}.{place}')}"


def _is_written(field: str, taken: Sequence[str]) -> bool:
    return any(field == one or field.startswith((f"{one}.", f"{one}[")) for one in taken)


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if re.search(r'[",\n]', text) else text


def _note(seen: Seen, value: Any, at: float) -> bool:
    """Count one value; whether it is the first that tells something."""
    seen.count += 1
    seen.first, seen.last = min(seen.first, at), max(seen.last, at)
    if value is None:
        return False
    kind = {bool: "boolean", int: "number", float: "number", str: "string", dict: "object", list: "array"}[type(value)]
    seen.kinds[kind] += 1
    if seen.example is not None or value in ("", [], {}):
        return False
    seen.example = mask(value)
    return True


def _leaves(event: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Plain values with their paths, each path once an event; elements of arrays share ``[*]``."""
    waiting: list[tuple[Path, Any]] = [((Key(name),), value) for name, value in event.items()]
    told: set[Path] = set()
    while waiting and len(told) < _MAX_LEAVES:
        path, value = waiting.pop()
        if isinstance(value, dict) and value and len(path) < _MAX_DEPTH:
            waiting += [((*path, Key(name)), one) for name, one in value.items()]
        elif isinstance(value, list) and value and len(path) < _MAX_DEPTH:
            waiting += [((*path, Every()), one) for one in value[:20]]
        elif path not in told:
            told.add(path)
            yield path, value


def _shared(path: Path) -> Path:
    return tuple(Every() if isinstance(segment, Index) else segment for segment in path)


def _codes_listed(rows: Sequence[Prepared]) -> frozenset[str]:
    """Texts in rows that read event_code: the codes they know, and some more that do no harm."""
    return frozenset(
        str(node.value)
        for one in rows
        if one.node is not None and any(path == _CODE for path, _ in sources(one))
        for node in walk(one.node)
        if isinstance(node, Literal) and isinstance(node.value, str)
    )
