"""A first mapping set for a customer's schema, from its fields and real sample events.

Names are matched by their words (``campaignId`` and ``event_attributes.campaign_id``), kinds are compared, and what every
MoEngage stream needs (``_id``, ``timestamp``, ``eventType``, identities) is proposed as calculated fields. Nothing is guessed
beyond that: fields without a match are listed, not filled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.lint_schema import constant_problem, schema_path
from bridge.mapping.paths import Key, Path, parse_path, print_path
from bridge.mapping.proposal_names import NO_MATCH, likeness
from bridge.mapping.table import MappingRow, MappingSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.mapping.lint_schema import SchemaFields
    from bridge.mapping.samples import Samples

_ISO: Final = "yyyy-MM-dd'T'HH:mm:ssX"
_MILLISECONDS_FROM: Final = 100_000_000_000
_TIMES: Final = ("time", "event_time", "timestamp", "event_timestamp", "created_at")
_IDENTITIES: Final = (
    ("identities.externalId", "{primary_identity}"),
    ("identities.email", "Email"),
    ("identities.phone", "Phone"),
    ("identities.moengageUserId", "moengageUserId"),
    ("identities.ecid", "ECID"),
    ("user_attributes.ecid", "ECID"),
)
_FIXED: Final = {
    "_id": ("id", "event_uuid"),
    "eventMergeId": ("event_uuid", "id"),
    "producedBy": ("source", "event_source"),
}
_TWINS: Final = {
    "id": "event_uuid",
    "time": "event_time",
    "identities.externalId": "uid",
    "identities.email": "email_id",
    "identities.phone": "mobile_number",
    "identities.moengageUserId": "user_attributes.moengage_user_id",
}
"""Canonical names, and MoEngage's own for the same value: whoever uses the one has used the other."""
_ADOBES: Final = frozenset({"_experience", "_repo", "_channels", "_schema", "_dc", "_xdm"})
_SCALARS: Final = frozenset({"string", "integer", "number", "boolean"})


@dataclass(frozen=True, slots=True)
class Proposal:
    """The mapping set, the destinations that nothing was found for, and source paths that no row uses.

    ``tenant``: the schema's root that became ``{tenant}``, None when it has none.
    """

    mapping_set: MappingSet
    tenant: str | None
    unmapped: Sequence[str]
    unused: Sequence[str]


def propose(schema: SchemaFields, samples: Samples, *, event_type: str | None) -> Proposal:
    """A mapping set for ``schema``. ``event_type``: the expression that decodes MoEngage's event codes, when it is known."""
    tenant = _tenant(schema)
    writer = _Writer(samples, tenant)
    unmapped: list[str] = []
    done: set[str] = set()
    for field in schema.fields():
        path = field.path
        if any(path == above or path.startswith((above + ".", above + "[")) for above in done):
            continue
        if path == "identityMap":
            done.add(path)
            writer.identities()
        elif field.type == "object":
            continue
        elif writer.field(field, event_type):
            done.add(path)
        elif path.endswith((".*", "[*]")) or ".*" in path or "[*]" in path:
            continue
        else:
            unmapped.append(path)
    used = writer.used | {_TWINS[name] for name in writer.used if name in _TWINS}
    unused = sorted(
        path for path in samples.paths
        if not any(path == one or path.startswith((one + ".", one + "[")) or one.startswith((path + ".", path + "["))
                   for one in used)
    )  # fmt: skip
    rows = tuple(
        MappingRow(number, source_type, source, destination, None, description)  # type: ignore[arg-type]
        for number, (source_type, source, destination, description) in enumerate(writer.rows, start=2)
    )
    return Proposal(MappingSet(rows, ""), tenant, unmapped, unused)


class _Writer:
    def __init__(self, samples: Samples, tenant: str | None) -> None:
        self._samples = samples
        self._tenant = tenant
        self.rows: list[tuple[str, str, str, str]] = []
        self.used: set[str] = set()

    def _add(self, source_type: str, source: str, destination: str, description: str, *used: str) -> bool:
        self.rows.append((source_type, source, destination, description))
        self.used.update(used)
        return True

    def _has(self, text: str) -> bool:
        return self._samples.has(parse_path(text))

    def field(self, field: Any, event_type: str | None) -> bool:
        """A row for one field, where a source is found."""
        destination = _placed(field.path, self._tenant)
        if field.path == "timestamp":
            return self._timestamp(destination)
        if field.path == "eventType" and self._has("event_code"):
            if event_type is not None:
                return self._add(
                    "EXPRESSION", event_type, destination,
                    "XDM eventType of MoEngage's event code; codes that are not listed become moengage.<code>", "event_code",
                )  # fmt: skip
            return self._add("ATTRIBUTE", "event_code", destination, "MoEngage's event code", "event_code")
        for source in _FIXED.get(field.path, ()):
            if self._has(source):
                return self._add("ATTRIBUTE", source, destination, _described(field), source)
        matches = self._match(field)
        if not matches:
            return False
        source_path = matches[0]
        text = print_path(source_path)
        if len(matches) > 1 and field.type in _SCALARS and field.format is None:
            spellings = [print_path(path) for path in matches]
            return self._add(
                "EXPRESSION", f"coalesce({', '.join(spellings)})", destination, _described(field), *spellings
            )
        kind = self._kind(source_path)
        if field.format in ("date-time", "date") and kind in ("integer", "number"):
            return self._add("EXPRESSION", self._instant(text, source_path), destination, _described(field), text)
        if field.format == "date-time" and kind == "string":
            return self._add("EXPRESSION", f"date({text})", destination, _described(field), text)
        return self._add("ATTRIBUTE", text, destination, _described(field), text)

    def identities(self) -> None:
        """Rows for identityMap: the customer's id first and primary."""
        taken: set[str] = set()
        for source, namespace in _IDENTITIES:
            if not self._has(source) or namespace in taken:
                continue
            place = f"identityMap.{namespace}[0]"
            primary = "false" if taken else "true"
            taken.add(namespace)
            what = "the customer's own id" if namespace == "{primary_identity}" else namespace
            self._add("ATTRIBUTE", source, f"{place}.id", f"Identity: {what}", source)
            self._add(
                "STATIC", primary, f"{place}.primary", "Primary identity" if primary == "true" else "Secondary identity"
            )

    def _timestamp(self, destination: str) -> bool:
        known = [name for name in _TIMES if self._has(name)]
        if not known:
            return False
        source = parse_path(known[0])
        if self._kind(source) == "string":
            return self._add("EXPRESSION", f"date({known[0]})", destination, "When the event happened", known[0])
        return self._add(
            "EXPRESSION", self._instant(known[0], source), destination, "When the event happened", known[0]
        )

    def _instant(self, text: str, source: Path) -> str:
        example = self._samples.examples.get(source)
        seconds = not isinstance(example, int | float) or abs(example) < _MILLISECONDS_FROM
        return f'dformat(({text} * 1000), "{_ISO}")' if seconds else f'dformat({text}, "{_ISO}")'

    def _kind(self, path: Path) -> str:
        counted = [(count, kind) for kind, count in self._samples.kinds[path].items() if kind != "null"]
        return max(counted)[1] if counted else "null"

    def _match(self, field: Any) -> list[Path]:
        """The source paths whose names say most surely what the field's name says; spellings of one name together."""
        target = parse_path(field.path)
        if len(target) > 1 and target[0] == Key(self._tenant or ""):
            target = target[1:]
        best: tuple[int, int] | None = None
        found: list[Path] = []
        for path in sorted(self._samples.kinds, key=print_path):
            if not all(isinstance(segment, Key) for segment in path) or not self._fits(field.type, path):
                continue
            sure = likeness(target, path, is_map=field.type == "map")
            if sure == NO_MATCH:
                continue
            rank = (-sure, len(path))
            if best is None or rank < best:
                best, found = rank, [path]
            elif rank == best and path[:-1] == found[0][:-1]:
                found.append(path)
        return found

    def _fits(self, wanted: str, path: Path) -> bool:
        kind = self._kind(path)
        if wanted in ("map", "object"):
            return kind == "object"
        if wanted == "array":
            return kind == "array"
        if wanted in ("integer", "number", "boolean") and kind != "null":
            return constant_problem(self._samples.examples.get(path), wanted) is None
        return wanted == "any" or kind in _SCALARS or kind == "null"


def _tenant(schema: SchemaFields) -> str | None:
    """The root property that holds the customer's own fields: the one object with an underscore that is not Adobe's."""
    roots = [
        field.path
        for field in schema.fields()
        if field.path.startswith("_") and "." not in field.path and field.type == "object" and field.path not in _ADOBES
    ]
    return roots[0] if len(roots) == 1 else None


def _placed(path: str, tenant: str | None) -> str:
    """A schema's path as a destination: the tenant's root becomes ``{tenant}``."""
    parsed = parse_path(path.replace(".*", ""))
    if parsed[0] == Key(tenant or "") and len(parsed) > 1:
        return "{tenant}." + schema_path(parsed[1:])
    return schema_path(parsed)


def _described(field: Any) -> str:
    return str(field.description or field.title or "")
