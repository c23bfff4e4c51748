"""A compiled XDM schema: what to ask it about an event, and about its fields."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.values.expected import Expected
from bridge.xdm.problems import DroppedValue, EventFinding
from bridge.xdm.schema.checks import ABSENT, EMPTIED, compile_check, exact_type, leaving_out
from bridge.xdm.schema.event_class import wrong_class
from bridge.xdm.schema.fields import EXAMPLE_ID, SchemaError, SchemaField
from bridge.xdm.schema.policy import Policy
from bridge.xdm.schema.schema_reading import load_schema, read_schema
from bridge.xdm.schema.text_maps import texts
from bridge.xdm.schema.value_checks import CHECKED_FORMATS, Place, Said, Wrong, search_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from bridge.xdm.schema.fields import Kind

__all__ = ["CompiledSchema", "FieldInfo", "SchemaError", "compile_schema", "load_schema"]

_STEP: Final = re.compile(r"((?:[^.\[\]\\]|\\.)+)((?:\[(?:[0-9]+|\*)\])*)(?:\.|$)")
_EXEMPT: Final = frozenset({"identityMap"})
"""Its rules are stricter than any schema's (:mod:`bridge.xdm.identity.identity_map`)."""


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A field as lint and ``mapping init`` want it.

    ``path`` is a mapping destination: ``a.b``, ``list[*].c``, ``map.*`` for the values of a map. ``required``: what holds
    it must hold it. ``suggestions``: values of ``meta:enum``, not enforced.
    """

    path: str
    type: Kind
    format: str | None
    required: bool
    enum: tuple[Any, ...] | None
    suggestions: tuple[str, ...]
    title: str
    description: str


class CompiledSchema:
    """One schema, compiled: :meth:`check` for every event, :meth:`fields` and :meth:`type_at` for the workshop."""

    __slots__ = ("_check", "identifier", "is_example", "policy", "root", "unenforced", "wrong_class")

    def __init__(
        self,
        root: SchemaField,
        *,
        identifier: str | None = None,
        is_example: bool = False,
        policy: Policy | None = None,
        wrong_class: str | None = None,
    ) -> None:
        self.root = root
        self.is_example = is_example
        """Whether the document is the example that ships, which takes any tenant's name."""
        self.identifier = identifier
        """The document's ``$id``."""
        self.wrong_class = wrong_class
        """Why it is not a schema for events (:func:`bridge.xdm.schema.event_class.wrong_class`)."""
        self.policy = policy or Policy(firm=True)
        self._check = compile_check(root, _of_every_event(self.policy), _EXEMPT)
        self.unenforced: tuple[tuple[str, str], ...] = tuple(_unenforced(root, ""))
        """Paths and keywords of the schema that are not checked."""

    def check(
        self, xdm: dict[str, Any]
    ) -> tuple[dict[str, Any], Sequence[EventFinding | DroppedValue], Sequence[EventFinding]]:
        """``xdm`` (left as it is) coerced to the schema, nulls pruned; findings; what AEP would refuse it for, up to five.

        Among the findings are the values that were dropped (:class:`~bridge.xdm.problems.DroppedValue`), where the policy
        lets wrong ones go. identityMap is left to its own rules. Raises nothing.
        """
        said: Said = []
        sent = self._check(xdm, None, said)
        if type(sent) is Wrong:
            return sent.value, [one for one in said if type(one) is EventFinding], [*sent.found]
        return ({} if sent is ABSENT or sent is EMPTIED else sent), said, []

    def expected(self, names: tuple[str, ...], seen: Collection[str]) -> Expected | None:
        """What the schema expects at a place that is reached by names alone; None where anything may stand.

        ``seen``: timestamps that are known to be right.
        """
        if names[:1] == ("identityMap",):
            return None
        field, policy = self.root, _of_every_event(self.policy)
        place: Place = None
        droppable = False
        for name in names:
            child = field.properties.get(name)
            if field.kind != "object" or (child is None and field.patterns):
                return Expected(_unsure, place)
            if child is None:
                if field.closed or field.values is not None:
                    return Expected(_unsure, place)
                return None
            # An object that has to hold something may itself be wrong once a value of it is left out.
            droppable = not field.required if field is not self.root else name not in field.required
            field, policy, place = child, policy.below(name), (place, name)
        if field.kind == "any":
            return None
        check = compile_check(field, policy) if names else _unsure
        if droppable and not policy.firm:
            check = leaving_out(check, policy.label)
        if names == ("_id",) and is_plain_id(field):
            return Expected(check, place, text=True)  # the rule for every event's _id says the same, and refuses it
        return Expected(
            check,
            place,
            text=exact_type(field) is str,
            texts=texts if _is_text_map(field) and not policy.named else None,
            fields=field.kind == "object",
            required=field.required,
            seen=seen if names == ("timestamp",) and is_plain_moment(field) else (),
        )

    def holding(self, policy: Policy) -> CompiledSchema:
        """The same schema with another policy for wrong values."""
        return CompiledSchema(
            self.root,
            identifier=self.identifier,
            is_example=self.is_example,
            policy=policy,
            wrong_class=self.wrong_class,
        )

    def knows(self, name: str) -> bool:
        """Whether the root has a field of that name."""
        return _child(self.root, name) is not None

    def fields(self) -> Iterator[FieldInfo]:
        """Every field, depth first, in the schema's order."""
        return _walk(self.root, "")

    def type_at(self, path: str) -> FieldInfo | None:
        r"""The field at a destination path (``a.b[0].c``, ``a\.b`` for a name with a dot), None when there is none."""
        field, required, position = self.root, False, 0
        while position < len(path):
            step = _STEP.match(path, position)
            if step is None or (step.end() == len(path) and path[-1] == "." and path[-2:] != "\\."):
                return None
            name = re.sub(r"\\(.)", r"\1", step[1])
            child = _child(field, name)
            if child is None:
                return None
            required, field, position = name in field.required, child, step.end()
            for _ in range(step[2].count("[")):
                if field.kind != "array" or field.items is None:
                    return None
                required, field = False, field.items
        return _info(field, path, required=required) if path else None


def _is_text_map(field: SchemaField) -> bool:
    return field.kind == "map" and exact_type(field.values) is str and not field.patterns


_UNSURE: Final = object()


def _unsure(_value: Any, _place: Place, _said: Said) -> Any:
    return _UNSURE


def is_plain_id(field: SchemaField) -> bool:
    """Whether a field wants no more than a URI reference."""
    return replace(field, format=None, title="", description="") == SchemaField("string") and field.format in (
        None,
        "uri-reference",
    )


def is_plain_moment(field: SchemaField) -> bool:
    """Whether a field wants no more than a date-time."""
    return field.format == "date-time" and replace(field, format=None, title="", description="") == SchemaField(
        "string"
    )


def _of_every_event(policy: Policy) -> Policy:
    """What every ExperienceEvent must have is never dropped, whatever the schema says of it."""
    return Policy(policy.firm, {**policy.rules, ("_id",): True, ("timestamp",): True})


def compile_schema(document: Mapping[str, Any], *, tenant: str | None = None) -> CompiledSchema:
    """Compile a resolved XDM schema; ``tenant`` takes the place of the root property ``_yourorgname``.

    Raises :class:`SchemaError` when the document is not a resolved schema.
    """
    root = read_schema(document, tenant=tenant)
    try:
        stated = document.get("$id")
        identifier = stated if isinstance(stated, str) else None
        return CompiledSchema(
            root, identifier=identifier, is_example=identifier == EXAMPLE_ID, wrong_class=wrong_class(document)
        )
    except RecursionError:
        raise SchemaError("the schema is nested too deeply") from None


def _child(field: SchemaField, name: str) -> SchemaField | None:
    """What holds for a property: as it is named, by the first pattern that matches its name, or as for all others."""
    if (child := field.properties.get(name)) is not None:
        return child
    for pattern, child in field.patterns:
        search = search_of(pattern)
        if search is not None and search(name):
            return child
    return _unnamed(field)


def _unnamed(field: SchemaField) -> SchemaField | None:
    """What holds for a property that the field does not name: a map's values, anything in an open field, else None."""
    if field.kind == "any":
        return field
    return field.values


def _info(field: SchemaField, path: str, *, required: bool) -> FieldInfo:
    return FieldInfo(
        path, field.kind, field.format, required, field.enum, field.suggestions, field.title, field.description
    )


def _walk(field: SchemaField, prefix: str) -> Iterator[FieldInfo]:
    for name, child in field.properties.items():
        path = prefix + re.sub(r"([.\\\[\]])", r"\\\1", name)
        yield _info(child, path, required=name in field.required)
        yield from _below(child, path)


def _below(field: SchemaField, path: str) -> Iterator[FieldInfo]:
    yield from _walk(field, f"{path}.")
    for suffix, inner in ((".*", field.values), ("[*]", field.items)):
        if inner is not None:
            yield _info(inner, path + suffix, required=False)
            yield from _below(inner, path + suffix)


def _unenforced(field: SchemaField, path: str) -> Iterator[tuple[str, str]]:
    yield from ((path, keyword) for keyword in field.unenforced)
    if field.format is not None and field.format not in CHECKED_FORMATS:
        yield path, f"format {field.format}"
    if field.pattern is not None and search_of(field.pattern) is None:
        yield path, f"pattern {field.pattern}"
    for name, child in field.properties.items():
        yield from _unenforced(child, f"{path}.{name}" if path else name)
    for pattern, _ in field.patterns:
        if search_of(pattern) is None:
            yield path, f"patternProperties {pattern}"
    inside = ((".*", field.values), ("[*]", field.items), *((".*", child) for _, child in field.patterns))
    for suffix, inner in inside:
        if inner is not None:
            yield from _unenforced(inner, path + suffix)
