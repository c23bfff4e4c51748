"""Rows of a first mapping set: for one field of the schema the source that is meant, in the form that the schema takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.compiler.schema_fields import SchemaFields, schema_path
from bridge.mapping.lint.array_fixes import children_of, matched, renamed
from bridge.mapping.lint.date_texts import date_pattern
from bridge.mapping.lint.name_likeness import NO_MATCH, likeness
from bridge.mapping.lint.value_fixes import ISO
from bridge.mapping.syntax.paths import Every, Key, Path, parse_path, print_path
from bridge.mapping.workshop.proposal.event_codes import for_codes
from bridge.mapping.workshop.proposal.fit import Fit, child_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.mapping.syntax.cells import SourceType
    from bridge.mapping.workshop.samples import Samples

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
_SCALARS: Final = frozenset({"string", "integer", "number", "boolean"})
_LETTERS: Final = ("upper", "lower", "trim")
_CONTAINERS: Final = frozenset({"map", "object", "array"})


@dataclass(frozen=True, slots=True)
class Draft:
    """A proposed row. ``field``: the schema's path that it fills; ``question``: what a person should decide about it."""

    source_type: SourceType
    source: str
    destination: str
    description: str
    used: tuple[str, ...]
    field: str = ""
    question: str | None = None


class Writer:
    """Writes drafts field by field. ``tenant``: the root property that becomes ``{tenant}``."""

    def __init__(
        self, samples: Samples, fit: Fit, schema: SchemaFields, tenant: str | None, *, all_codes: bool = False
    ) -> None:
        self._samples = samples
        self._schema = schema
        self._all_codes = all_codes
        self.fit = fit
        self.tenant = tenant
        self.drafts: list[Draft] = []
        self._sources = [
            path for path in sorted(samples.kinds, key=print_path) if all(isinstance(segment, Key) for segment in path)
        ]

    def has_above(self, path: str) -> bool:
        """Whether a draft fills the field or an object that holds it."""
        return covers([draft.field for draft in self.drafts], path)

    def field(self, field: Any, event_type: str | None) -> bool:
        """A row for one field, where a source is found that the schema takes."""
        if field.path == "timestamp":
            return self._timestamp()
        if field.path == "eventType" and self._has("event_code"):
            return self._event_type(field, event_type)
        for name in _FIXED.get(field.path, ()):
            if self._has(name) and self.fit.accepts(field.path, parse_path(name)):
                return self._add(field, "ATTRIBUTE", name, name)
        if field.type == "array":
            return self._array(field)
        matches = self._matches(field)
        if len(matches) > 1 and field.type in _SCALARS and field.format is None:
            spellings = [print_path(path) for path in matches]
            expression = f"coalesce({', '.join(spellings)})"
            if self.fit.accepts(field.path, expression):
                return self._add(field, "EXPRESSION", expression, *spellings)
        return any(self._scalar(field, path) for path in matches)

    def _scalar(self, field: Any, path: Path) -> bool:
        """A row from one path: as it is, or as the date or in the letters that the field wants."""
        text = print_path(path)
        values = self._samples.values(path)
        texts = [value for value in values if isinstance(value, str)]
        dated = field.format in ("date", "date-time")
        pattern = date_pattern(texts) if dated and texts and len(texts) == len(values) else None
        # Text that is no date-time yet is read by date(), in AEP as here; what is one already need not be.
        unread = pattern is not None and (pattern.pattern is not None or field.format == "date-time")
        ready = dated and all(map(self.fit.rules.is_date_time, texts))
        # A number that stands for a date says nothing of its unit: an expression has to.
        counted = dated and self._samples.kind(path) in ("integer", "number")
        if (ready or not unread) and not counted and self.fit.accepts(field.path, path):
            return self._add(field, "ATTRIBUTE", text, text)
        for expression, question in self._turned(field, path, text, pattern):
            if self.fit.accepts(field.path, expression):
                return self._add(field, "EXPRESSION", expression, text, question=question)
        return False

    def _turned(self, field: Any, path: Path, text: str, pattern: Any) -> Iterator[tuple[str, str | None]]:
        """Expressions that could make of the source what the field takes."""
        if field.format in ("date", "date-time"):
            if self._samples.kind(path) in ("integer", "number"):
                yield self._instant(text, path), None
                return
            if pattern is not None:
                question = (
                    f"{text}: day or month first? The samples do not tell; read as {pattern.pattern or 'MM/dd/yyyy'}"
                    if pattern.ambiguous
                    else None
                )
                yield (f'date({text}, "{pattern.pattern}")' if pattern.pattern else f"date({text})"), question
            yield f"date({text})", None
        elif field.type == "string":
            yield from ((f"{function}({text})", None) for function in _LETTERS)

    def misfit(self, field: Any) -> str | None:
        """Of a field without a row: the source that is named as it is, and that its values are not what the schema takes."""
        for path in self._matches(field, fitting=False) if field.type in _SCALARS else ():
            example = self._samples.example(path)
            if example is not None:
                return f"{print_path(path)} is named so, but the schema does not take its values"
        return None

    def _array(self, field: Any) -> bool:
        items = self._schema.type_at(f"{field.path}[*]")
        for path in self._matches(field):
            text = print_path(path)
            if items is not None and items.type == "object":
                if self._objects(field, path, text):
                    return True
            elif self.fit.accepts(field.path, path):
                return self._add(field, "ATTRIBUTE", text, text)
        return False

    def _objects(self, field: Any, path: Path, text: str) -> bool:
        """An array of objects: copied where every child is one of the schema's, else built with the schema's names."""
        known = children_of(self._schema, f"{field.path}[*]")
        given = [one[-1].name for one in self._samples.below((*path, Every())) if isinstance(one[-1], Key)]
        if known and set(given) <= set(known) and self.fit.accepts(field.path, path):
            return self._add(field, "ATTRIBUTE", text, text)
        pairs = matched(given, known)
        while pairs:
            expression = renamed(path, pairs)
            values = self.fit.values(expression)
            if not values:
                return False
            faults = {fault for value in values for fault in self.fit.refusals(field.path, value)}
            if not faults:
                left = [name for name in known if name not in pairs]
                question = (
                    f"{text}: {', '.join(left)} of {field.path} have no source yet; the events have {', '.join(given)}"
                    if left
                    else None
                )
                return self._add(field, "EXPRESSION", expression, text, question=question)
            wrong = {name for fault in faults if (name := child_at(fault)) in pairs}
            if not wrong:
                return False
            pairs = {new: old for new, old in pairs.items() if new not in wrong}
        return False

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
            said = "Primary identity" if primary == "true" else "Secondary identity"
            self.drafts += [
                Draft("ATTRIBUTE", source, f"{place}.id", f"Identity: {what}", (source,), "identityMap"),
                Draft("STATIC", primary, f"{place}.primary", said, (), "identityMap"),
            ]

    def _event_type(self, field: Any, every: str | None) -> bool:
        said = "XDM eventType of MoEngage's event code"
        codes = [str(code) for code in self._samples.values(parse_path("event_code"))]
        if every is not None and not self._all_codes:
            every = for_codes(every, codes, lambda value: self.fit.refusals("eventType", value) == [])
        if every is None or not self.fit.accepts("eventType", every):
            return self._scalar(field, parse_path("event_code"))
        if "moengage." in every:
            said += "; codes that are not listed become moengage.<code>"
        return self._add(field, "EXPRESSION", every, "event_code", description=said)

    def _timestamp(self) -> bool:
        for name in _TIMES:
            if not self._has(name):
                continue
            path = parse_path(name)
            texts = [value for value in self._samples.values(path) if isinstance(value, str)]
            expression = f"date({name})" if self._samples.kind(path) == "string" else self._instant(name, path)
            if texts and self._samples.kind(path) == "string" and all(text.isdecimal() for text in texts):
                expression = self._instant(f"to_integer({name})", path, float(texts[0]))
            self.drafts.append(
                Draft("EXPRESSION", expression, "timestamp", "When the event happened", (name,), "timestamp")
            )
            return True
        return False

    def _instant(self, text: str, source: Path, example: Any = None) -> str:
        example = self._samples.examples.get(source) if example is None else example
        seconds = not isinstance(example, int | float) or abs(example) < _MILLISECONDS_FROM
        return f'dformat(({text} * 1000), "{ISO}")' if seconds else f'dformat({text}, "{ISO}")'

    def _matches(self, field: Any, *, fitting: bool = True) -> list[Path]:
        """The source paths whose names say most surely what the field's name says; spellings of one name together."""
        target = parse_path(field.path)
        if len(target) > 1 and target[0] == Key(self.tenant or ""):
            target = target[1:]
        best: tuple[int, int] | None = None
        found: list[Path] = []
        for path in self._sources:
            sure = likeness(target, path, is_map=field.type == "map")
            if sure == NO_MATCH or not self._of_kind(field, path, fitting=fitting):
                continue
            rank = (-sure, len(path))
            if best is None or rank < best:
                best, found = rank, [path]
            elif rank == best and path[:-1] == found[0][:-1]:
                found.append(path)
        return found

    def _of_kind(self, field: Any, path: Path, *, fitting: bool) -> bool:
        """Whether the source holds what the field holds: an object, an array, or one plain value that could become it (with ``fitting``)."""
        kinds = {kind for kind in self._samples.kinds[path] if kind != "null"}
        if not kinds:
            return False
        if field.type in _CONTAINERS:
            return kinds == {"array" if field.type == "array" else "object"}
        if kinds & {"object", "array"}:
            return False
        if not fitting or field.type == "any" or field.format is not None or field.enum:
            return True
        if self.fit.accepts(field.path, path):
            return True
        turned = [f"{function}({print_path(path)})" for function in _LETTERS] if field.type == "string" else []
        return any(self.fit.accepts(field.path, expression) for expression in turned)

    def _has(self, text: str) -> bool:
        return any(kind != "null" for kind in self._samples.kinds.get(parse_path(text), ()))

    def _add(
        self,
        field: Any,
        source_type: SourceType,
        source: str,
        *used: str,
        question: str | None = None,
        description: str | None = None,
    ) -> bool:
        said = description if description is not None else str(field.description or field.title or "")
        place = _placed(field.path, self.tenant)
        self.drafts.append(Draft(source_type, source, place, said, used, field.path, question))
        return True


def covers(fields: Sequence[str], path: str) -> bool:
    """Whether one of the fields is ``path`` or an object or array that holds it."""
    return any(path == above or path.startswith((above + ".", above + "[")) for above in fields)


def _placed(path: str, tenant: str | None) -> str:
    """A schema's path as a destination: the tenant's root becomes ``{tenant}``."""
    parsed = parse_path(path)
    if parsed[0] == Key(tenant or "") and len(parsed) > 1:
        return "{tenant}." + schema_path(parsed[1:])
    return schema_path(parsed)
