"""Whether mapping set, schema and settings speak of the same tenant, fields, namespaces and destination.

Where they do not, every event would be accepted with HTTP 200 and lost later, or be keyed to the wrong person: ``check``, the
worker's start and its reload refuse such a set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bridge.mapping.sets.findings import Finding, in_order
from bridge.mapping.syntax.nodes import Literal
from bridge.mapping.syntax.paths import Index, Key, print_path
from bridge.mapping.values.spelling import nearest
from bridge.model.errors import MappingError
from bridge.model.xdm_roots import ADOBES_ROOTS
from bridge.xdm.schema.event_class import WANTED
from bridge.xdm.schema.fields import PLACEHOLDER_TENANT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.mapping.compiler.preparation import Prepared
    from bridge.settings import MappingSettings
    from bridge.xdm.schema.compiled_schema import CompiledSchema

_OF_EVERY_EVENT: Final = frozenset({"_id", "timestamp", "identityMap"})
_ADOBES_HOST: Final = "adobedc.net"


class Disagreement(MappingError):  # noqa: N818 - it says what became of the set
    """Mapping set, schema and settings contradict each other; ``findings`` lists where."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(in_order(findings))
        lines = "\n".join(f"  {finding}" for finding in self.findings)
        super().__init__(
            f"mapping set, schema and settings contradict each other:\n{lines}",
            hint="aep-bridge mapping lint shows each with its row; BRIDGE_MAPPING__TENANT, __SCHEMA, __PRIMARY_IDENTITY and"
            " BRIDGE_AEP__SCHEMA_ID are the settings",
        )


def disagreements(
    settings: MappingSettings,
    rows: Sequence[Prepared],
    schema: CompiledSchema | None,
    *,
    schema_id: str | None = None,
    endpoint: str | None = None,
) -> list[Finding]:
    """Everything in which they contradict each other, none when they agree.

    ``schema_id`` and ``endpoint``: the schema that events are declared for and the URL they are sent to, where known.
    """
    found = [*namespaces(rows, settings.primary_identity)]
    if schema is not None:
        found += unknown_fields(rows, schema, settings.tenant)
        if schema.wrong_class is not None:
            found.append(
                Finding(
                    0, "file", "schema_class", f"the schema is not one for events: {schema.wrong_class}", fix=WANTED
                )
            )
    found += _identifier(schema, schema_id)
    host = urlsplit(endpoint).hostname or "" if endpoint else ""
    if settings.tenant == PLACEHOLDER_TENANT and (host == _ADOBES_HOST or host.endswith(f".{_ADOBES_HOST}")):
        found.append(
            Finding(0, "destination", "tenant_example", f"{PLACEHOLDER_TENANT} is the tenant of the example, and the endpoint"
                    f" is Adobe's ({host})", fix="BRIDGE_MAPPING__TENANT is your organisation's, with its underscore")
        )  # fmt: skip
    return found


def unknown_fields(rows: Sequence[Prepared], schema: CompiledSchema, tenant: str) -> Iterator[Finding]:
    """Top-level fields that rows write and the schema lacks: one finding each, at the first row that writes it."""
    known = schema.root.properties
    told: set[str] = set()
    for one in rows:
        if one.target is None or not isinstance(one.target[0], Key):
            continue
        name = one.target[0].name
        if schema.knows(name) or name in told or name in _OF_EVERY_EVENT:
            continue
        told.add(name)
        theirs = tenants(schema)
        if name == tenant and theirs:
            yield Finding(
                one.row.row, "destination", "tenant_unknown",
                f"the schema has no tenant {name}; its tenant is {' or '.join(theirs)}", fix=theirs[0],
            )  # fmt: skip
        else:
            yield Finding(
                one.row.row, "destination", "destination_unknown", f"the schema has no field {name}",
                fix=nearest(name, known),
            )  # fmt: skip


def tenants(schema: CompiledSchema) -> list[str]:
    """The namespaces of tenants in a schema: root objects whose name begins with an underscore, without Adobe's own."""
    return [
        name
        for name, field in schema.root.properties.items()
        if name.startswith("_") and name not in ADOBES_ROOTS and field.kind in ("object", "any")
    ]


def is_verified(schema: CompiledSchema | None, tenant: str) -> bool:
    """Whether a schema that came from AEP holds the tenant; the shipped one takes any tenant's name."""
    return schema is not None and not schema.is_example and tenant in schema.root.properties


def namespaces(rows: Sequence[Prepared], priority: Sequence[str]) -> Iterator[Finding]:
    """Rows that mark a namespace primary which the priority list does not name, and sets that write none of the list's."""
    written: dict[str, int] = {}
    others = False
    for one in rows:
        target = one.target or ()
        if not target or target[0] != Key("identityMap"):
            continue
        if len(target) < 3 or not isinstance(target[1], Key):
            others = True
            continue
        name = target[1].name
        written.setdefault(name, one.row.row)
        if len(target) == 4 and isinstance(target[2], Index) and target[3] == Key("primary") and _is_true(one):
            if name in priority:
                continue
            first = next((other for other in priority if other in _written(rows)), None)
            instead = f": {first} would be primary" if first else ": no event would have a primary identity"
            yield Finding(
                one.row.row, "destination", "primary_not_listed",
                f"the row marks {print_path(target[:2])} primary, and BRIDGE_MAPPING__PRIMARY_IDENTITY"
                f" ({', '.join(priority)}) does not name {name}{instead}",
                fix=_near(name, priority) or f"name {name} first in BRIDGE_MAPPING__PRIMARY_IDENTITY",
            )  # fmt: skip
    if written and not others and not written.keys() & set(priority):
        name, row = next(iter(written.items()))
        yield Finding(
            row, "destination", "namespace_unknown",
            f"none of the namespaces that rows write ({', '.join(written)}) is in BRIDGE_MAPPING__PRIMARY_IDENTITY"
            f" ({', '.join(priority)}): no event would have a primary identity", fix=_near(name, priority),
        )  # fmt: skip


def _written(rows: Sequence[Prepared]) -> set[str]:
    return {
        one.target[1].name
        for one in rows
        if one.target and len(one.target) > 1 and one.target[0] == Key("identityMap") and isinstance(one.target[1], Key)
    }


def _near(name: str, priority: Sequence[str]) -> str | None:
    """The name of the list that is meant: the same in other case first."""
    return next((other for other in priority if other.lower() == name.lower()), None) or nearest(name, priority)


def _is_true(one: Prepared) -> bool:
    if one.row.source_type == "STATIC":
        return one.source.strip().lower() in ("true", "y", "yes", "on")
    return isinstance(one.node, Literal) and one.node.value in (True, "true")


def _identifier(schema: CompiledSchema | None, schema_id: str | None) -> Iterator[Finding]:
    if schema is None or schema.is_example or not schema.identifier or not schema_id or schema.identifier == schema_id:
        return
    yield Finding(
        0, "file", "schema_id_differs",
        f"the schema file is {schema.identifier}, but BRIDGE_AEP__SCHEMA_ID is {schema_id}", fix=schema.identifier,
    )  # fmt: skip
