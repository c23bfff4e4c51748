"""What a plan is made of: steps in the order of creation, each with what it would write."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.adobe.authoring import Kind as AuthoredKind
    from bridge.adobe.flow_service import Kind as FlowKind
    from bridge.adobe.registry import Kind as RegistryKind

LATER = "(known after apply)"
"""In the place of an id that AEP has not issued yet."""


class Kind(StrEnum):
    """What a step is about, in the order of creation."""

    NAMESPACE = "identity namespace"
    FIELD_GROUP = "field group"
    SCHEMA = "schema"
    PROFILE = "schema in Profile"
    DATASET = "dataset"
    ACCOUNT = "account"
    SOURCE = "source connection"
    TARGET = "target connection"
    MAPPING_SET = "mapping set"
    DATAFLOW = "dataflow"
    SCHEMA_FILE = "schema file"
    SERVER = "destination server"
    DESTINATION = "destination"
    SETTINGS = "settings"


class Action(StrEnum):
    """What becomes of it."""

    CREATE = "create"
    CHANGE = "change"
    EXISTS = "exists"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: ``old`` is "" where there was nothing."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class CreateNamespace:
    """POST of an identity namespace."""

    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CreateResource:
    """POST to the Schema Registry."""

    kind: RegistryKind
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PatchResource:
    """PATCH of a schema or field group."""

    kind: RegistryKind
    identifier: str
    operations: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class CreateDataset:
    """POST to Catalog."""

    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PatchDataset:
    """PATCH of a dataset of the version ``tag``."""

    identifier: str
    operations: tuple[Mapping[str, Any], ...]
    tag: str


@dataclass(frozen=True, slots=True)
class CreateFlowObject:
    """POST to Flow Service."""

    kind: FlowKind
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PatchDataflow:
    """PATCH of a dataflow of the version ``etag``."""

    identifier: str
    operations: tuple[Mapping[str, Any], ...]
    etag: str


@dataclass(frozen=True, slots=True)
class EnableDataflow:
    """Switch a dataflow on."""

    identifier: str


@dataclass(frozen=True, slots=True)
class CreateMappingSet:
    """POST to Data Prep."""

    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReplaceMappingSet:
    """PUT of a new version."""

    identifier: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CreateAuthored:
    """POST to the Destination SDK."""

    kind: AuthoredKind
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReplaceAuthored:
    """PUT of the whole object."""

    kind: AuthoredKind
    identifier: str
    document: Mapping[str, Any]


Write = (
    CreateNamespace
    | CreateResource
    | PatchResource
    | CreateDataset
    | PatchDataset
    | CreateFlowObject
    | PatchDataflow
    | EnableDataflow
    | CreateMappingSet
    | ReplaceMappingSet
    | CreateAuthored
    | ReplaceAuthored
)


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the plan.

    ``irreversible``: why it can never be undone, "" where it can. ``todo``: what resolves a conflict. ``write``: the request, None
    where there is nothing to send or an id is not known yet.
    """

    kind: Kind
    name: str
    action: Action
    identifier: str = ""
    changes: tuple[Change, ...] = ()
    irreversible: str = ""
    todo: str = ""
    note: str = ""
    write: Write | None = None

    @property
    def is_open(self) -> bool:
        """Whether something is to be done."""
        return self.action in (Action.CREATE, Action.CHANGE)


@dataclass(frozen=True, slots=True)
class Plan:
    """Every step, what exists too."""

    steps: tuple[Step, ...]

    @property
    def conflicts(self) -> tuple[Step, ...]:
        """What a person has to resolve."""
        return tuple(step for step in self.steps if step.action is Action.CONFLICT)

    @property
    def open(self) -> tuple[Step, ...]:
        """What is to be done."""
        return tuple(step for step in self.steps if step.is_open)

    @property
    def irreversible(self) -> tuple[Step, ...]:
        """What of it can never be undone."""
        return tuple(step for step in self.open if step.irreversible)

    @property
    def exit_code(self) -> int:
        """0 nothing to do, 3 something to do, 1 a conflict."""
        return 1 if self.conflicts else 3 if self.open else 0
