"""XDM fields as JSON: taken out of a schema file, brought into the form that is sent, and compared with what AEP holds.

AEP rewrites what it is sent (``meta:xdmType``, ``version``, titles of its own), so that only what a field *means* is compared:
kind, format, what it holds. A schema in use only grows: what is missing can be added, what differs in kind never changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SENT: Final = (
    "title",
    "description",
    "type",
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "enum",
    "meta:enum",
    "default",
    "required",
    "$ref",
)
"""Keywords that a client writes (AEP docs: xdm/tutorials/custom-fields-api); the server adds the rest."""
_OWN_OF_ADOBE: Final = frozenset(
    {"_id", "_repo", "_experience", "_channels", "_schema", "_dc", "_xdm", "_links", "_customer"}
)
_BY_XDM_TYPE: Final = {
    "map": "map",
    "int": "integer",
    "long": "integer",
    "short": "integer",
    "byte": "integer",
    "double": "number",
    "float": "number",
    "date-time": "date-time",
    "date": "date",
}
_BELOW: Final = {"[*]": "items", "*": "additionalProperties"}
MOST_DEPTH: Final = 64


@dataclass(frozen=True, slots=True)
class Missing:
    """A field that AEP does not have: ``path`` of names below the tenant, and its schema."""

    path: tuple[str, ...]
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Clash:
    """A field that is there and is something else, which a schema in use never becomes again."""

    path: tuple[str, ...]
    ours: str
    theirs: str


def merged(document: Mapping[str, Any]) -> dict[str, Any]:
    """The root properties of a schema document: ``properties``, ``allOf`` and local ``$ref`` together."""
    found: dict[str, Any] = {}
    _merge(document, document, found, 0)
    return found


def _merge(piece: Any, root: Mapping[str, Any], into: dict[str, Any], depth: int) -> None:
    if not isinstance(piece, dict) or depth > MOST_DEPTH:
        return
    target = _target(piece, root)
    if target is not None:
        _merge(target, root, into, depth + 1)
    for part in piece.get("allOf") or []:
        _merge(part, root, into, depth + 1)
    for name, field in (piece.get("properties") or {}).items():
        known = into.get(name)
        if isinstance(known, dict) and isinstance(field, dict) and "properties" in known and "properties" in field:
            into[name] = {**known, **field, "properties": {**known["properties"], **field["properties"]}}
        else:
            into[name] = field


def _target(piece: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """What a local reference (``#/definitions/x``) points at; None for any other."""
    reference = piece.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None
    found: Any = root
    for step in reference[2:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    return found


def tenant_in(document: Mapping[str, Any], *wanted: str) -> str:
    """The tenant's namespace in a schema document: the first of ``wanted`` that it has, else its only one; "" without any."""
    properties = merged(document)
    for name in wanted:
        if name in properties:
            return name
    own = [name for name in properties if name.startswith("_") and name not in _OWN_OF_ADOBE]
    return own[0] if len(own) == 1 else ""


def fields_of(document: Mapping[str, Any], tenant: str) -> dict[str, Any]:
    """Name -> schema, as it is sent, of every field below the tenant; empty where the document has no such tenant."""
    found: dict[str, Any] = {}
    _merge(merged(document).get(tenant), document, found, 0)
    return {name: sent(field, document) for name, field in found.items()}


def sent(field: Any, root: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """One field as a client writes it: local references resolved, what the server adds left out."""
    if not isinstance(field, dict) or depth > MOST_DEPTH:
        return {"type": "object"}
    target = _target(field, root)
    if target is not None:
        # What stands beside a reference says more about the field than what it refers to.
        beside = {key: value for key, value in field.items() if key != "$ref"}
        return sent({**target, **beside}, root, depth + 1)
    made = {key: field[key] for key in _SENT if key in field}
    properties: dict[str, Any] = {}
    _merge({key: field[key] for key in ("properties", "allOf") if key in field}, root, properties, depth)
    if kind_of(field) == "map":
        made |= {"type": "object", "meta:xdmType": "map"}
        made["additionalProperties"] = sent(field.get("additionalProperties") or {"type": "string"}, root, depth + 1)
        made.pop("required", None)
        return made
    if properties:
        made["type"] = "object"
        made["properties"] = {name: sent(one, root, depth + 1) for name, one in properties.items()}
    if isinstance(field.get("items"), dict):
        made["items"] = sent(field["items"], root, depth + 1)
    return made


def kind_of(field: Any) -> str:
    """What a field holds: a type of JSON, ``map``, ``date``, ``date-time``, or ``any`` where it does not say."""
    if not isinstance(field, dict):
        return "any"
    own = field.get("meta:xdmType")
    if own in _BY_XDM_TYPE:
        return _BY_XDM_TYPE[own]
    stated = field.get("type")
    if isinstance(stated, list):
        stated = next((one for one in stated if one != "null"), None)
    if stated == "string" and field.get("format") in ("date", "date-time"):
        return str(field["format"])
    if stated == "object" and not field.get("properties") and isinstance(field.get("additionalProperties"), dict):
        return "map"
    if isinstance(stated, str):
        return stated
    return "object" if "properties" in field else "any"


def compare(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[Missing | Clash]:
    """What of ``ours`` is not in ``theirs``; both are name -> schema. What only they have is nobody's business here."""
    by_case = {name.lower(): name for name in theirs}
    for name, field in ours.items():
        place = (*path, name)
        if name not in theirs:
            other = by_case.get(name.lower())
            if other is None:
                yield Missing(place, field)
            else:
                # Names are unique without regard to case (AEP docs: xdm/schema/field-constraints).
                yield Clash(place, name, other)
            continue
        yield from _within(field, theirs[name], place)


def _within(ours: Any, theirs: Any, place: tuple[str, ...]) -> Iterator[Missing | Clash]:
    mine, other = kind_of(ours), kind_of(theirs)
    if "any" in (mine, other):
        return
    if mine != other:
        yield Clash(place, mine, other)
    elif mine == "object":
        yield from compare(_properties(ours), _properties(theirs), place)
    elif mine == "array":
        yield from _within(ours.get("items"), theirs.get("items"), (*place, "[*]"))
    elif mine == "map":
        yield from _within(ours.get("additionalProperties"), theirs.get("additionalProperties"), (*place, "*"))


def _properties(field: Any) -> Mapping[str, Any]:
    found = field.get("properties") if isinstance(field, dict) else None
    return found if isinstance(found, dict) else {}


def standard_groups(document: Mapping[str, Any]) -> tuple[str, ...]:
    """``$id`` of Adobe's own field groups that a schema file extends; its class brings identityMap and the time series."""
    named = [*(document.get("meta:extends") or [])]
    named += [part.get("$ref") for part in document.get("allOf") or [] if isinstance(part, dict)]
    found: dict[str, None] = {}
    for one in named:
        if not isinstance(one, str) or not one.startswith("https://ns.adobe.com/"):
            continue
        parts = one.removeprefix("https://ns.adobe.com/").split("/")
        of_adobe = parts[0] == "experience" or parts[:2] in (["xdm", "context"], ["xdm", "mixins"])
        if of_adobe and parts[-1] not in ("experienceevent", "identitymap", "record"):
            found[one] = None
    return tuple(found)


def child(node: Any, step: str) -> Any:
    """The schema below another at a step of a path (a name, ``[*]``, ``*``), None where there is none."""
    if not isinstance(node, dict):
        return None
    return node.get(_BELOW[step]) if step in _BELOW else _properties(node).get(step)


def json_steps(step: str) -> tuple[str, ...]:
    """Where in a schema's JSON a step of a path leads."""
    return (_BELOW[step],) if step in _BELOW else ("properties", step)


def grown(path: tuple[str, ...], schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema that holds another at a path below it; ``()`` is the schema itself."""
    if not path:
        return dict(schema)
    step, inner = path[0], grown(path[1:], schema)
    if step == "[*]":
        return {"type": "array", "items": inner}
    if step == "*":
        return {"type": "object", "meta:xdmType": "map", "additionalProperties": inner}
    return {"type": "object", "properties": {step: inner}}


def joined(left: Any, right: Any) -> Any:
    """Two schemas of one place as one that holds what either holds; the left one says what both say."""
    if not isinstance(left, dict) or not isinstance(right, dict):
        return right if left is None else left
    made = {**right, **left}
    for key in ("items", "additionalProperties"):
        if key in left and key in right:
            made[key] = joined(left[key], right[key])
    if "properties" in left and "properties" in right:
        mine, other = left["properties"], right["properties"]
        made["properties"] = {
            name: joined(mine.get(name), other.get(name)) for name in (*mine, *(o for o in other if o not in mine))
        }
    return made


def pointer(*steps: str) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
