"""What a mapping set would do, by the project's own mapping engine: shapes are Adobe's, agreement with Adobe is not shown by it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from bridge.emulators.adobe.ingestion.mapped import compile_set
from bridge.emulators.adobe.platform.registry.resolving import resolved
from bridge.mapping.sets.findings import MappingRefused
from bridge.xdm.schema.compiled_schema import CompiledSchema, compile_schema
from bridge.xdm.schema.fields import SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.emulators.adobe.platform.sandbox import Sandbox

_MOST: Final = 100
_PLACE: Final = re.compile(r"^([^.\[]+)")


def schema_of(sandbox: Sandbox, schema_id: str) -> CompiledSchema | None:
    """The schema of a mapping set, compiled; None when the sandbox has no such schema or it has no fields."""
    found = sandbox.resources.get(schema_id)
    if found is None:
        return None
    try:
        return compile_schema(resolved(sandbox, found))
    except SchemaError:
        return None


def outcome_of(sandbox: Sandbox, row: Mapping[str, Any], schema: CompiledSchema | None) -> dict[str, Any]:
    """One entry of ``validationResponse``."""
    errors: list[dict[str, Any]] = []
    try:
        compile_set({"mappings": [row]}, sandbox.tenant, schema)
    except MappingRefused as refused:
        errors = [{"errorCode": one.code, "message": one.message} for one in refused.findings]
    destination = str(row.get("destination", row.get("destinationXdmPath", "")))
    if not errors and schema is not None and _is_unknown(schema, destination):
        message = f"The destination path {destination} is not in the schema"
        errors = [{"errorCode": "destination_unknown", "message": message}]
    return {"status": "FAILED" if errors else "SUCCESS", "errors": errors or None}


def _is_unknown(schema: CompiledSchema, destination: str) -> bool:
    first = _PLACE.match(destination)
    if first is None or first[1] == "identityMap":
        return False
    return schema.type_at(destination) is None


def preview(
    sandbox: Sandbox, mapping_set: Mapping[str, Any], rows: Sequence[dict[str, Any]], schema: CompiledSchema | None
) -> list[dict[str, Any]]:
    """Each of the first hundred rows mapped, with what failed. Raises ``ValueError`` for a set that does not compile."""
    try:
        compiled = compile_set(mapping_set, sandbox.tenant, schema)
    except MappingRefused as refused:
        raise ValueError(str(refused)) from None
    stated = dict(enumerate(mapping_set.get("mappings") or (), start=1))
    shown = []
    for row in rows[:_MOST]:
        xdm, warnings = compiled.apply(row)
        data = xdm if schema is None else schema.check(xdm)[0]
        errors = [
            {
                "source": stated.get(one.row, {}).get("source"),
                "sourceType": stated.get(one.row, {}).get("sourceType"),
                "destination": one.destination,
                "columnName": one.destination,
                "exception": one.reason,
            }
            for one in warnings
        ]
        shown.append({"data": data, "errors": errors or None})
    return shown
