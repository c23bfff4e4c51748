"""Data Prep inside a dataflow: a raw record becomes XDM by the flow's mapping set.

It is the project's own mapping engine, so it shows how errors travel, not what Adobe computes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.emulators.adobe.ingestion.dataset import Outcome
from bridge.emulators.adobe.ingestion.validation import Violation
from bridge.mapping.compiler.mapping_compiler import compile_mapping
from bridge.mapping.sets.table import read_mapping_set
from bridge.xdm.identity.flags import with_flags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bridge.mapping.compiler.mapping_compiler import CompiledMapping
    from bridge.xdm.schema.compiled_schema import CompiledSchema

MAPPER: Final = "MAPPER-3700-199"
"""The only code of Data Prep that is public."""
_OF_CODE: Final = {"DCVS-1103": "pattern", "DCVS-1104": "type", "DCVS-1106": "required"}


def compile_set(mapping_set: Mapping[str, Any], tenant: str, schema: CompiledSchema | None) -> CompiledMapping:
    """A mapping set as the API keeps it, compiled. Raises ``MappingRefused``."""
    rows = [
        {key: row[key] for key in ("sourceType", "source", "destination") if key in row}
        for row in mapping_set.get("mappings") or ()
    ]
    return compile_mapping(
        read_mapping_set(orjson.dumps({"mappings": rows})), tenant=f"_{tenant}", primary_identity="Email", schema=schema
    )


def mapper(
    mapping: CompiledMapping, schema: CompiledSchema | None, strict: Callable[[Any], Sequence[Violation]] | None
) -> Callable[[Mapping[str, Any]], Outcome]:
    """A function from a raw record to what would be ingested; coerced to the schema as Data Prep does."""

    def mapped(record: Mapping[str, Any]) -> Outcome:
        xdm, _ = mapping.apply(dict(record))
        if schema is None:
            return Outcome(xdm, ())
        coerced, _, found = schema.check(with_flags(xdm))
        if found:
            return Outcome(coerced, [_violation(one.path, one.code, one.reason) for one in found], mapper=True)
        return Outcome(coerced, () if strict is None else strict(coerced))

    return mapped


def _violation(path: str, code: str, reason: str) -> Violation:
    stated = code in _OF_CODE
    return Violation(f"{code}-400" if stated else MAPPER, _OF_CODE.get(code, "mapping"), path, reason)
