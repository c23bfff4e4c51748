"""What AEP holds, as plain values: only what the plan looks at, read out of documents that AEP rewrites at will."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bridge.adobe.pages import Document, first_text, text, texts
from bridge.adobe.provisioning.desired import EXPERIENCE_EVENT, MappingRow
from bridge.adobe.provisioning.fields import fields_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_SOURCE_TYPES: Final = {
    "TEXT/X.SCHEMA-PATH": "ATTRIBUTE",
    "TEXT/X.AEP-XL": "EXPRESSION",
    "TEXT/PLAIN": "STATIC",
}


@dataclass(frozen=True, slots=True)
class FoundNamespace:
    """A namespace of the sandbox."""

    code: str
    identifier: str
    is_custom: bool
    id_type: str


@dataclass(frozen=True, slots=True)
class FieldGroup:
    """A field group; ``place``: where in its document the tenant's object stands, () where it has none."""

    identifier: str
    title: str
    fields: Mapping[str, Any]
    place: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema; ``fields``: those below the tenant, resolved. ``document``: its resolved form."""

    identifier: str
    title: str
    is_of_events: bool
    references: tuple[str, ...]
    in_profile: bool
    fields: Mapping[str, Any]
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset; ``tag`` is its version for a conditional change, "" where it was not read alone."""

    identifier: str
    name: str
    schema_id: str
    in_profile: bool
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """A base connection of the HTTP API source; ``endpoint`` is its inlet's URL."""

    identifier: str
    name: str
    payload: str
    authenticated: bool
    endpoint: str


@dataclass(frozen=True, slots=True)
class Link:
    """A source connection (``of``: its base connection) or a target connection (``of``: its dataset)."""

    identifier: str
    name: str
    of: str


@dataclass(frozen=True, slots=True)
class MappingSet:
    """The newest version of a mapping set."""

    identifier: str
    name: str
    version: int
    schema_id: str
    rows: tuple[MappingRow, ...]


@dataclass(frozen=True, slots=True)
class Dataflow:
    """A dataflow; ``mapping_place`` is the position of its mapping among the transformations, -1 without one."""

    identifier: str
    name: str
    state: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    mapping_id: str
    mapping_version: int
    mapping_place: int
    etag: str
    changed_at: float
    """Seconds since 1970 of its creation or last change, 0 where AEP does not say."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that fits the desired state by its natural key. Several of one kind are a conflict, not a choice."""

    tenant: str
    namespaces: tuple[FoundNamespace, ...] = ()
    field_groups: tuple[FieldGroup, ...] = ()
    schemas: tuple[Schema, ...] = ()
    datasets: tuple[Dataset, ...] = ()
    accounts: tuple[Account, ...] = ()
    sources: tuple[Link, ...] = ()
    targets: tuple[Link, ...] = ()
    mapping_sets: tuple[MappingSet, ...] = ()
    dataflows: tuple[Dataflow, ...] = ()
    not_found: tuple[str, ...] = ()
    """Settings that name an object which AEP does not have (or hides by a label): ``aep.schema_id`` and so on."""
    refused_rows: tuple[tuple[int, str], ...] = ()
    """Position and reason of the mappings that Adobe's validation refuses."""


def namespace(document: Document) -> FoundNamespace:
    """One of the list of namespaces."""
    return FoundNamespace(
        text(document, "code"),
        str(document.get("id", "")),
        bool(document.get("custom")),
        text(document, "idType").upper(),
    )


def field_group(document: Document, tenant: str) -> FieldGroup:
    """A field group as it was made (``$ref`` and ``allOf`` kept)."""
    place: tuple[str, ...] = ()
    for name, definition in (document.get("definitions") or {}).items():
        if tenant in (definition.get("properties") or {} if isinstance(definition, dict) else {}):
            place = ("definitions", name, "properties", tenant)
    if not place and tenant in (document.get("properties") or {}):
        place = ("properties", tenant)
    return FieldGroup(text(document, "$id"), text(document, "title"), fields_of(document, tenant), place)


def schema(raw: Document, resolved: Document, tenant: str) -> Schema:
    """A schema, read in both forms."""
    extends = texts(raw.get("meta:extends")) + texts(resolved.get("meta:extends"))
    references = tuple(text(part, "$ref") for part in raw.get("allOf") or [] if isinstance(part, dict))
    classes = (text(raw, "meta:class"), text(resolved, "meta:class"), *references, *extends)
    return Schema(
        text(raw, "$id"),
        text(raw, "title"),
        any(one.rstrip("/") == EXPERIENCE_EVENT for one in classes),
        tuple(dict.fromkeys((*references, *extends))),
        "union" in texts(raw.get("meta:immutableTags")),
        fields_of(resolved, tenant),
        resolved,
    )


def dataset(identifier: str, document: Document, tag: str = "") -> Dataset:
    """A dataset of Catalog."""
    return Dataset(
        identifier,
        text(document, "name"),
        text(document, "schemaRef", "id"),
        _is_enabled(document, "unifiedProfile") and _is_enabled(document, "unifiedIdentity"),
        tag,
    )


def _is_enabled(document: Document, tag: str) -> bool:
    tags = document.get("tags")
    values = texts(tags.get(tag)) if isinstance(tags, dict) else ()
    # The documents write it with and without a blank.
    return any(value.replace(" ", "").lower() == "enabled:true" for value in values)


def account(document: Document) -> Account:
    """A base connection."""
    params = document.get("auth")
    params = params.get("params") if isinstance(params, dict) else None
    return Account(
        text(document, "id"),
        text(document, "name"),
        text(params, "dataType"),
        isinstance(params, dict) and str(params.get("authenticationRequired", False)).lower() == "true",
        text(params, "inletUrl"),
    )


def source(document: Document) -> Link:
    """A source connection."""
    return Link(text(document, "id"), text(document, "name"), text(document, "baseConnectionId"))


def target(document: Document) -> Link:
    """A target connection."""
    params = document.get("params")
    found = first_text((text(params, "dataSetId"), text(params, "datasetId")))
    return Link(text(document, "id"), text(document, "name"), found)


def mapping_set(document: Document) -> MappingSet:
    """A mapping set, whatever spelling its rows have."""
    output = document.get("outputSchema")
    schema_id = first_text((
        text(output, "schemaRef", "id"), text(output, "id"), text(document, "schemaRef", "id"),
        text(document, "xdmSchema"),
    ))  # fmt: skip
    rows = [
        MappingRow(
            _SOURCE_TYPES.get(text(one, "sourceType").upper(), text(one, "sourceType").upper()),
            first_text((text(one, "source"), text(one, "sourceAttribute"))),
            first_text((text(one, "destination"), text(one, "destinationXdmPath"))),
        )
        for one in document.get("mappings") or []
        if isinstance(one, dict)
    ]
    return MappingSet(
        str(document.get("id", "")), text(document, "name"), _number(document.get("version")), schema_id, tuple(rows)
    )


def dataflow(document: Document) -> Dataflow:
    """A dataflow."""
    mapping_id, version, place = "", 0, -1
    for position, one in enumerate(document.get("transformations") or []):
        if isinstance(one, dict) and one.get("name") == "Mapping":
            params = one.get("params") or {}
            mapping_id, version, place = text(params, "mappingId"), _number(params.get("mappingVersion")), position
    changed = max(_number(document.get("createdAt")), _number(document.get("updatedAt")))
    return Dataflow(
        text(document, "id"),
        text(document, "name"),
        text(document, "state"),
        texts(document.get("sourceConnectionIds")),
        texts(document.get("targetConnectionIds")),
        mapping_id,
        version,
        place,
        text(document, "etag"),
        changed / 1_000,
    )


def _number(value: Any) -> int:
    """A version or time, which comes as a number or as text."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return 0
