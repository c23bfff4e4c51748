"""From resources that refer to each other to fields: the resolved form (``xed-full``), paths and types."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from bridge.emulators.adobe.platform.registry.standard import standard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bridge.emulators.adobe.platform.sandbox import Sandbox

Fields = dict[str, Any]
_Above = tuple[str, ...]


class UnknownReference(LookupError):  # noqa: N818
    """A ``$ref`` leads to nothing."""


def resource(sandbox: Sandbox, identifier: str) -> dict[str, Any] | None:
    """A resource by ``$id`` or ``meta:altId``, the tenant's or Adobe's."""
    for library in (sandbox.resources, standard()):
        if identifier in library:
            return library[identifier]
        for one in library.values():
            if one["meta:altId"] == identifier:
                return one
    return None


def resolved(sandbox: Sandbox, document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with ``allOf`` and ``$ref`` resolved into ``properties`` and ``required``."""
    properties, required = _Resolver(sandbox).fields_of(document, document, ())
    rest = {key: copy.deepcopy(value) for key, value in document.items() if key not in ("allOf", "definitions")}
    return rest | {"properties": properties} | ({"required": required} if required else {})


class _Resolver:
    """Follows references; ``home`` is the resource in which a local ``$ref`` is looked up, ``above`` those under way."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def fields_of(self, node: Mapping[str, Any], home: Mapping[str, Any], above: _Above) -> tuple[Fields, list[str]]:
        """The properties and required names of a node and of all it is composed of."""
        properties: Fields = {}
        required: list[str] = []
        for part, there, references in self._parts(node, home, above):
            for name, child in (part.get("properties") or {}).items():
                found = self._field(child, there, references)
                properties[name] = found if name not in properties else _merged(properties[name], found)
            required += [name for name in part.get("required") or () if name not in required]
        return properties, required

    def _parts(
        self, node: Mapping[str, Any], home: Mapping[str, Any], above: _Above
    ) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any], _Above]]:
        reference = node.get("$ref")
        if isinstance(reference, str) and reference not in above:
            target, there = _target(self._sandbox, reference, home)
            yield from self._parts(target, there, (*above, reference))
        for part in node.get("allOf") or ():
            yield from self._parts(part, home, above)
        # A class brings what it extends: ExperienceEvent has identityMap without a schema adding it.
        for extended in (node.get("meta:extends") or ()) if node.get("meta:resourceType") == "classes" else ():
            if (other := resource(self._sandbox, extended)) is not None:
                yield from self._parts(other, other, above)
        yield node, home, above

    def _field(self, child: Mapping[str, Any], home: Mapping[str, Any], above: _Above) -> Fields:
        inner, required = self.fields_of(child, home, above)
        reference = child.get("$ref")
        base: Fields = {}
        if isinstance(reference, str) and reference not in above:
            target, _ = _target(self._sandbox, reference, home)
            base = {key: copy.deepcopy(value) for key, value in target.items() if key in _OF_A_TYPE}
        field = base | {
            key: copy.deepcopy(value) for key, value in child.items() if key not in ("allOf", "$ref", "properties")
        }
        if inner:
            field["properties"] = inner
        if required:
            field["required"] = required
        for key in ("items", "additionalProperties"):
            if isinstance(field.get(key), dict):
                field[key] = self._field(field[key], home, above)
        return field


_OF_A_TYPE = frozenset({"type", "meta:xdmType", "format", "enum", "meta:enum", "items", "additionalProperties"})


def _merged(left: Fields, right: Fields) -> Fields:
    result = left | right
    if "properties" in left and "properties" in right:
        names = [*left["properties"], *(name for name in right["properties"] if name not in left["properties"])]
        result["properties"] = {
            name: _merged(left["properties"][name], right["properties"][name])
            if name in left["properties"] and name in right["properties"]
            else left["properties"].get(name, right["properties"].get(name))
            for name in names
        }
    needed = [*left.get("required", ()), *right.get("required", ())]
    if needed:
        result["required"] = list(dict.fromkeys(needed))
    return result


def _target(sandbox: Sandbox, reference: str, home: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    outer, _, pointer = reference.partition("#")
    found: Any = home if not outer else resource(sandbox, outer)
    there = found
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(there, dict):
        raise UnknownReference(reference)
    return found, there


def leaves(properties: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every field with its path (``/a/b``, ``/list[*]/c``), containers included."""
    for name, field in properties.items():
        path = f"{prefix}/{name}"
        yield path, field
        yield from leaves(field.get("properties") or {}, path)
        items = field.get("items")
        if isinstance(items, dict):
            yield f"{path}[*]", items
            yield from leaves(items.get("properties") or {}, f"{path}[*]")


def without_texts(value: Any) -> Any:
    """The same without ``title`` and ``description`` (``xed-notext``), as far as they are texts and no fields."""
    if isinstance(value, dict):
        return {
            key: without_texts(item)
            for key, item in value.items()
            if not (key in ("title", "description", "meta:titleId", "meta:descriptionId") and isinstance(item, str))
        }
    return [without_texts(item) for item in value] if isinstance(value, list) else value
