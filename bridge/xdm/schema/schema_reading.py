"""An XDM schema as AEP's schema editor and the Schema Registry API give it, read into a tree of fields.

Read is the resolved form (``Accept: application/vnd.adobe.xed-full+json``): ``properties``, ``allOf`` and local ``$ref``
merged, maps (``meta:xdmType: map``, ``additionalProperties``), arrays, enums and the constraints of AEP docs:
xdm/schema/field-constraints. ``meta:enum`` alone suggests values and enforces none. Keywords that XDM does not use
(``anyOf``, ``oneOf``, ``not``, ``if``, ...) are not enforced; :attr:`SchemaField.unenforced` says so.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from bridge.xdm.schema.fields import ANYTHING, PLACEHOLDER_TENANT, Kind, SchemaError, SchemaField

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_KINDS: Final[Mapping[str, Kind]] = {
    "object": "object",
    "map": "map",
    "array": "array",
    "string": "string",
    "date-time": "string",
    "date": "string",
    "integer": "integer",
    "int": "integer",
    "long": "integer",
    "short": "integer",
    "byte": "integer",
    "number": "number",
    "double": "number",
    "float": "number",
    "boolean": "boolean",
}
_CIRCULAR: Final = "circular $ref"
_UNENFORCED: Final = (
    _CIRCULAR,
    "anyOf",
    "oneOf",
    "not",
    "if",
    "dependencies",
    "uniqueItems",
    "multipleOf",
)
_NAMES: Final = {str: "text", int: "a whole number", list: "an array", dict: "an object"}
MAX_FIELDS: Final = 100_000

_Said = tuple[Any, tuple[str, ...]]
"""A piece of the document, and the references under way where it stands."""


def load_schema(path: Path) -> dict[str, Any]:
    """The JSON document of a schema file; :class:`SchemaError` when it cannot be read or is no JSON object."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise SchemaError(f"{path}: the schema cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"{path}: the schema is not JSON ({error})") from None
    if not isinstance(document, dict):
        raise SchemaError(
            f"{path}: a schema is a JSON object", hint="Copy the JSON of the schema, not of a list of schemas."
        )
    return document


def read_schema(document: Mapping[str, Any], *, tenant: str | None = None) -> SchemaField:
    """The root object of a schema document.

    ``tenant`` takes the place of the root property ``_yourorgname``. Raises :class:`SchemaError`.
    """
    try:
        root = _Reader(document).read([(document, ())])
    except RecursionError:
        raise SchemaError("the schema is nested too deeply") from None
    if root.kind != "object" or not root.properties:
        raise SchemaError(
            "the schema has no properties",
            hint="Get the resolved form: GET /schemaregistry/tenant/schemas/{id} with"
            " Accept: application/vnd.adobe.xed-full+json; version=1.",
        )
    return _rename_tenant(root, tenant) if tenant else root


def _rename_tenant(root: SchemaField, tenant: str) -> SchemaField:
    if PLACEHOLDER_TENANT not in root.properties or tenant in root.properties:
        return root

    def renamed(name: str) -> str:
        return tenant if name == PLACEHOLDER_TENANT else name

    changed = {name: getattr(root, name) for name in SchemaField.__slots__}
    changed["properties"] = {renamed(name): child for name, child in root.properties.items()}
    changed["required"] = frozenset(map(renamed, root.required))
    return SchemaField(**changed)


class _Reader:
    """Merges ``allOf`` and ``$ref`` of one document while it turns JSON into fields."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._fields = 0

    def read(self, said: Sequence[_Said]) -> SchemaField:
        """One field of which several parts of the document may say something."""
        self._fields += 1
        if self._fields > MAX_FIELDS:
            raise SchemaError(f"the schema has more than {MAX_FIELDS} fields")
        parts: list[_Said] = []
        for raw, above in said:
            self._collect(raw, above, parts)
        if not any(part for part, _ in parts):
            return ANYTHING
        merged, properties = _merged(parts)
        kind = _kind_of(merged, has_properties=bool(properties))
        values = merged.get("additionalProperties", (True, ()))[0]
        return SchemaField(
            kind,
            title=_text(merged, "title"),
            description=_text(merged, "description"),
            format=_format_of(merged) if kind == "string" else None,
            properties={name: self.read(children) for name, children in properties.items()},
            required=_serialised(_of(merged, "required", list, []), properties),
            values=self.read([merged["additionalProperties"]]) if isinstance(values, dict) else None,
            patterns=self._patterns(merged) if kind in ("object", "map") else (),
            closed=values is False and kind == "object",
            items=self.read([merged.get("items", ({}, ()))]) if kind == "array" else None,
            enum=_enum_of(merged),
            suggestions=_suggestions_of(merged),
            pattern=_of(merged, "pattern", str),
            minimum=_bound(merged, "minimum", "exclusiveMinimum"),
            maximum=_bound(merged, "maximum", "exclusiveMaximum"),
            exclusive_minimum=_exclusive(merged, "minimum", "exclusiveMinimum"),
            exclusive_maximum=_exclusive(merged, "maximum", "exclusiveMaximum"),
            min_length=_of(merged, "minItems" if kind == "array" else "minLength", int),
            max_length=_of(merged, "maxItems" if kind == "array" else "maxLength", int),
            unenforced=tuple(name for name in _UNENFORCED if name in merged),
        )

    def _patterns(self, merged: Mapping[str, _Said]) -> tuple[tuple[str, SchemaField], ...]:
        said = _of(merged, "patternProperties", dict, {})
        above = merged.get("patternProperties", ({}, ()))[1]
        return tuple((pattern, self.read([(child, above)])) for pattern, child in said.items())

    def _collect(self, raw: Any, above: tuple[str, ...], parts: list[_Said]) -> None:
        """Add ``raw``, what it refers to and what it is composed of; a reference that meets itself stays open."""
        if raw is True:
            return
        if not isinstance(raw, dict):
            raise SchemaError(f"a field of the schema is {json.dumps(raw)[:40]}, not an object")
        parts.append((raw, above))
        if (reference := raw.get("$ref")) is not None:
            if reference in above:
                parts.append(({_CIRCULAR: True}, above))
            else:
                self._collect(self._target(reference), (*above, reference), parts)
        composed = raw.get("allOf", ())
        if not isinstance(composed, list | tuple):
            raise SchemaError("allOf of the schema is not an array")
        for part in composed:
            self._collect(part, above, parts)

    def _target(self, reference: Any) -> Any:
        found: Any = self._document
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            raise SchemaError(
                f"the schema refers to {str(reference)[:200]}, which is not in the document",
                hint="Get the resolved form, Accept: application/vnd.adobe.xed-full+json; version=1.",
            )
        for step in reference.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or name not in found:
                raise SchemaError(f"the schema refers to {reference[:200]}, which the document does not hold")
            found = found[name]
        return found


def _merged(parts: Sequence[_Said]) -> tuple[dict[str, _Said], dict[str, list[_Said]]]:
    """Keywords, the outer part before what it refers to, and all that is said of each property."""
    merged: dict[str, _Said] = {}
    properties: dict[str, list[_Said]] = {}
    required: list[str] = []
    enums: list[list[Any]] = []
    for part, above in parts:
        for keyword, value in part.items():
            if keyword == "properties":
                if not isinstance(value, dict):
                    raise SchemaError("properties of the schema is not an object")
                for name, child in value.items():
                    properties.setdefault(name, []).append((child, above))
            elif keyword == "required" and isinstance(value, list):
                required += [name for name in value if isinstance(name, str)]
            elif keyword == "enum" and isinstance(value, list):
                enums.append(value)
            elif value is not None:
                merged.setdefault(keyword, (value, above))
    if required:
        merged["required"] = required, ()
    if enums:
        merged["enum"] = [value for value in enums[0] if all(value in other for other in enums[1:])], ()
    return merged, properties


def _serialised(required: Sequence[str], properties: Mapping[str, Sequence[_Said]]) -> frozenset[str]:
    """Required names as they stand in JSON: classes state XDM's own (``@id``, ``xdm:timestamp``) beside ``_id``, ``timestamp``."""
    stated = {
        part["meta:xdmField"]: name
        for name, parts in properties.items()
        for part, _ in parts
        if isinstance(part, dict) and isinstance(part.get("meta:xdmField"), str)
    }
    found = set()
    for name in required:
        plain = "_" + name[1:] if name.startswith("@") else name.rpartition(":")[2]
        found.add(name if name in properties else stated.get(name, plain if plain in properties else name))
    return frozenset(found)


def _kind_of(merged: Mapping[str, _Said], *, has_properties: bool) -> Kind:
    meta = _of(merged, "meta:xdmType", str)
    named = merged.get("type", (None, ()))[0]
    if isinstance(named, list):
        types = [name for name in named if name != "null"]
        named = types[0] if len(types) == 1 else "any"
    kind = _KINDS.get(str(named or meta))
    if kind is None and named is None:
        kind = "object" if has_properties else "array" if "items" in merged else "any"
    if kind == "object" and not has_properties:
        open_ended = "required" not in merged and merged.get("additionalProperties", (True, ()))[0] is not False
        return "map" if open_ended else "object"
    return kind or "any"


def _format_of(merged: Mapping[str, _Said]) -> str | None:
    stated: str | None = _of(merged, "format", str)
    meta: str | None = _of(merged, "meta:xdmType", str)
    return stated or (meta if meta in ("date-time", "date") else None)


def _enum_of(merged: Mapping[str, _Said]) -> tuple[Any, ...] | None:
    if "const" in merged:
        return (merged["const"][0],)
    return tuple(merged["enum"][0]) if "enum" in merged else None


def _suggestions_of(merged: Mapping[str, _Said]) -> tuple[str, ...]:
    """Values of ``meta:enum``, which only suggests: in most schemas an object of labels, in some a list."""
    stated = merged.get("meta:enum", ((), ()))[0]
    return tuple(map(str, stated)) if isinstance(stated, dict | list) else ()


def _text(merged: Mapping[str, _Said], keyword: str) -> str:
    return str(merged[keyword][0]) if keyword in merged else ""


def _of(merged: Mapping[str, _Said], keyword: str, kind: type[Any], default: Any = None) -> Any:
    if keyword not in merged:
        return default
    value = merged[keyword][0]
    if type(value) is not kind:
        raise SchemaError(f"{keyword} of the schema is {json.dumps(value)[:40]}, expected {_NAMES[kind]}")
    return value


def _number(merged: Mapping[str, _Said], keyword: str) -> float | None:
    if keyword not in merged:
        return None
    value = merged[keyword][0]
    if type(value) is not int and type(value) is not float:
        raise SchemaError(f"{keyword} of the schema is {json.dumps(value)[:40]}, expected a number")
    return value


def _bound(merged: Mapping[str, _Said], inclusive: str, exclusive: str) -> float | None:
    """The inclusive bound, unless draft 4's boolean makes it the exclusive one."""
    return None if merged.get(exclusive, (None, ()))[0] is True else _number(merged, inclusive)


def _exclusive(merged: Mapping[str, _Said], inclusive: str, exclusive: str) -> float | None:
    stated = merged.get(exclusive, (None, ()))[0]
    if isinstance(stated, bool):
        return _number(merged, inclusive) if stated else None
    return _number(merged, exclusive)
