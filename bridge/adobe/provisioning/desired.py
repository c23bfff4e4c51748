"""What AEP is to hold for one route: plain values, made of its settings and files, and of nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

EXPERIENCE_EVENT: Final = "https://ns.adobe.com/xdm/context/experienceevent"
STANDARD: Final = frozenset(
    {"ecid", "email", "phone", "aaid", "core", "adcloud", "gaid", "idfa", "tntid", "email_lc_sha256"}
)
"""Symbols of Adobe's own namespaces, without case: they are there, and nobody can create them."""
TENANT_PLACEHOLDER: Final = "{tenant}"


@dataclass(frozen=True, slots=True)
class Namespace:
    """An identity namespace by its symbol, and what it is to be where it has to be created."""

    code: str
    name: str
    id_type: str
    description: str

    @property
    def is_standard(self) -> bool:
        """Whether it is one of Adobe's own."""
        return self.code.lower() in STANDARD


@dataclass(frozen=True, slots=True)
class MappingRow:
    """One mapping of a mapping set; ``source_type`` is ATTRIBUTE, EXPRESSION or STATIC."""

    source_type: str
    source: str
    destination: str

    def within(self, tenant: str) -> MappingRow:
        """The same with the tenant filled in."""
        return MappingRow(
            self.source_type,
            self.source.replace(TENANT_PLACEHOLDER, tenant),
            self.destination.replace(TENANT_PLACEHOLDER, tenant),
        )


@dataclass(frozen=True, slots=True)
class Named:
    """A name and its description, as MoEngage's guide has them or the settings say."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Known:
    """Ids that the settings name already: these objects are meant, whatever they are called. "" where unset."""

    schema_id: str = ""
    dataset_id: str = ""
    flow_id: str = ""


@dataclass(frozen=True, slots=True)
class Desired:
    """The desired state of one route.

    ``tenant`` is "" where the settings leave it open; AEP names it. ``fields``: name -> XDM schema of every field below the
    tenant. ``standard_groups``: ``$id`` of Adobe's own field groups that the schema file extends.
    """

    sandbox: str
    tenant: str
    namespaces: tuple[Namespace, ...]
    fields: Mapping[str, Any]
    standard_groups: tuple[str, ...]
    field_group: Named
    schema: Named
    dataset: Named
    account: Named
    dataflow: Named
    mapping_set: Named
    profile: bool
    payload: Literal["xdm", "raw"]
    authenticated: bool
    rows: tuple[MappingRow, ...] = ()
    known: Known = Known()
