"""What the registry refuses of a body, and what it adds to one.

Rules of custom fields: AEP docs, xdm/schema/field-constraints and xdm/troubleshooting-guide (XDM-1020 to 1024).
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, Final

from bridge.emulators.adobe.platform.calls import Refused, Reply, problem
from bridge.emulators.adobe.platform.registry.resolving import leaves, resolved
from bridge.emulators.adobe.platform.registry.standard import standard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.emulators.adobe.platform.sandbox import Sandbox

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_TYPES: Final = frozenset({"string", "number", "integer", "boolean", "object", "array"})
_WHOLE: Final = (("byte", 128), ("short", 32_768), ("int", 2_147_483_648))


def refused(code: str, detail: str, *, title: str = "Registry error", status: int = 400) -> Refused:
    """A registry refusal: ``code`` without its status (``XDM-1521``)."""
    return Refused(Reply(status, problem("aep", f"{code}-{status}", status, detail, title=title)))


def check_custom_fields(sandbox: Sandbox, document: Mapping[str, Any]) -> None:
    """Custom fields stand under ``_{tenant}`` only, with names and types that the registry takes."""
    own = f"_{sandbox.tenant}"
    fields = resolved(sandbox, document)["properties"]
    adobes = {name for one in standard().values() for name in one.get("properties", {})}
    strangers = [name for name in fields if name != own and name not in adobes]
    if strangers:
        raise refused("XDM-1020", f"Custom fields must be defined under {own}: {', '.join(strangers)}")
    if own in fields:
        _check_level(fields[own].get("properties") or {}, f"/{own}")


def _check_level(fields: Mapping[str, Any], path: str) -> None:
    seen: dict[str, str] = {}
    for name, field in fields.items():
        where = f"{path}/{name}"
        if not _NAME.fullmatch(name):
            raise refused("XDM-1021", f"{where}: a field name has letters, digits, dash and underscore, and begins with"
                          " a letter or digit")  # fmt: skip
        if (other := seen.setdefault(name.lower(), name)) != name:
            raise refused("XDM-1022", f"{where}: names are compared without case, and {other} is there already")
        if not isinstance(field, dict):
            raise refused("XDM-1023", f"{where}: a field is an object")
        _check_field(field, where)


def _check_field(field: Mapping[str, Any], where: str) -> None:
    kind = field.get("type")
    if kind not in _TYPES:
        raise refused("XDM-1023", f"{where}: type {kind!r} is not supported")
    if field.get("meta:xdmType") == "map":
        values = field.get("additionalProperties")
        if field.get("properties") or not isinstance(values, dict) or values.get("type") not in ("string", "integer"):
            raise refused("XDM-1024", f"{where}: a map has additionalProperties of string or integer and no properties")
    elif kind == "array":
        if not isinstance(field.get("items"), dict):
            raise refused("XDM-1024", f"{where}: an array has items")
        _check_field(field["items"], f"{where}[*]")
    elif kind == "object":
        if not field.get("properties"):
            raise refused("XDM-1024", f"{where}: an object has properties")
        _check_level(field["properties"], where)


def completed(value: Any) -> Any:
    """A copy of field definitions with the ``meta:xdmType`` that the server adds."""
    result = copy.deepcopy(value)
    _complete(result)
    return result


def _complete(node: Any) -> None:
    if isinstance(node, list):
        for item in node:
            _complete(item)
    elif isinstance(node, dict):
        if isinstance(kind := node.get("type"), str):
            node.setdefault("meta:xdmType", _xdm_type(node, kind))
        for key in ("properties", "definitions"):
            for child in (node.get(key) or {}).values() if isinstance(node.get(key), dict) else ():
                _complete(child)
        for key in ("items", "additionalProperties", "allOf"):
            _complete(node.get(key))


def _xdm_type(node: Mapping[str, Any], kind: str) -> str:
    if kind == "string" and node.get("format") in ("date", "date-time"):
        return str(node["format"])
    if kind == "integer":
        most = node.get("maximum")
        if isinstance(most, int | float):
            return next((name for name, bound in _WHOLE if most <= bound), "long")
        return "int"
    return kind


def check_same_types(sandbox: Sandbox, schema: Mapping[str, Any], schema_id: str | None) -> None:
    """A path has one type over all schemas of a class (XDM-1413)."""
    mine = {path: _kind(field) for path, field in leaves(resolved(sandbox, schema)["properties"])}
    for other in sandbox.resources.values():
        if other["meta:resourceType"] != "schemas" or other["$id"] == schema_id:
            continue
        if other["meta:class"] != schema["meta:class"]:
            continue
        for path, field in leaves(resolved(sandbox, other)["properties"]):
            if path in mine and mine[path] != _kind(field):
                raise refused(
                    "XDM-1413",
                    f"{path} is {mine[path]} here and {_kind(field)} in {other['$id']}, a schema of the same class",
                    title="Incompatible types",
                )


def _kind(field: Mapping[str, Any]) -> str:
    return str(field.get("meta:xdmType") or field.get("type"))


def breaking_change(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """What is not additive between two resolved forms; None when nothing is.

    Source: AEP docs, xdm/schema/composition, rules of schema evolution.
    """
    old, new = (dict(leaves(one["properties"])) for one in (before, after))
    for path, field in old.items():
        if path not in new:
            return f"{path} is removed"
        if _kind(field) != _kind(new[path]):
            return f"{path} changes its type from {_kind(field)} to {_kind(new[path])}"
        if narrowed := _narrowed(field, new[path]):
            return f"{path} becomes narrower: {narrowed}"
    return None


def _narrowed(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    for key in ("format", "pattern"):
        if new.get(key) is not None and new.get(key) != old.get(key):
            return key
    if "enum" in new and not set(map(str, old.get("enum", ["\0"]))) <= set(map(str, new["enum"])):
        return "enum"
    for key, sign in (
        ("minimum", 1),
        ("minLength", 1),
        ("minItems", 1),
        ("maximum", -1),
        ("maxLength", -1),
        ("maxItems", -1),
    ):
        if key in new and (key not in old or sign * new[key] > sign * old[key]):
            return key
    return None
