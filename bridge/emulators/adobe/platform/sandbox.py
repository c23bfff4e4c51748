"""One sandbox of the organisation: what lives in it, and nothing of any other."""

from __future__ import annotations

import itertools
import secrets
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bridge.emulators.adobe.platform.destination_connections import Connection
    from bridge.emulators.adobe.platform.oddities import Oddities

Document = dict[str, Any]


class Stored(Protocol):
    """What was ingested into a dataset."""

    @property
    def rows(self) -> int:
        """How many records passed."""


@dataclass(slots=True)
class Times:
    """What takes its time, in seconds."""

    warm_up: float = 300.0
    """After a dataflow was made or changed: its records are answered 200 and vanish."""
    initializing: float = 0.0
    """How long a new dataflow is ``initializing``."""
    schema_cache: float = 0.0
    """Until validation knows a changed schema (up to 15 minutes at Adobe)."""
    metrics_lag: float = 0.0
    """Until Observability tells what was ingested."""


@dataclass(slots=True)
class Sandbox:
    """Everything that the APIs keep, by id, in the order of creation. ``clock`` gives seconds since the epoch."""

    name: str
    org_id: str
    tenant: str
    clock: Callable[[], float]
    oddities: Oddities
    times: Times
    kind: str = "production"
    state: str = "active"
    is_default: bool = False
    namespaces: dict[int, Document] = field(default_factory=dict)
    resources: dict[str, Document] = field(default_factory=dict)
    """Tenant's field groups, schemas, classes and data types by ``$id``."""
    descriptors: dict[str, Document] = field(default_factory=dict)
    datasets: dict[str, Document] = field(default_factory=dict)
    flow_service: dict[str, dict[str, Document]] = field(
        default_factory=lambda: {"connections": {}, "sourceConnections": {}, "targetConnections": {}, "flows": {}}
    )
    mapping_sets: dict[str, list[Document]] = field(default_factory=dict)
    """Every version of a mapping set."""
    samples: dict[str, Document] = field(default_factory=dict)
    authored: dict[str, dict[str, Document]] = field(
        default_factory=lambda: {"destination-servers": {}, "destinations": {}}
    )
    """Of the Destination SDK."""
    connections: dict[str, Connection] = field(default_factory=dict)
    """Connections to private destinations, by destination instance."""
    hidden: set[str] = field(default_factory=set)
    """Dataflows with a label that the caller may not see."""
    stores: dict[str, Stored] = field(default_factory=dict)
    """What was ingested, by dataset."""
    audit: list[Document] = field(default_factory=list)
    permissions: frozenset[str] | None = None
    """What the credential's role grants; None means everything."""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return int(self.clock() * 1000)

    def number(self) -> int:
        """A number that was not given out before."""
        return next(self._numbers)

    def uuid(self) -> str:
        """A new UUID."""
        return str(uuid.uuid4())

    def hexadecimal(self, digits: int) -> str:
        """Random hex digits, as many as asked for."""
        return secrets.token_hex(digits // 2)

    def schema_is_used(self, schema_id: str) -> bool:
        """Whether a dataset has this schema."""
        return any(one["schemaRef"]["id"] == schema_id for one in self.datasets.values())

    def schema_has_data(self, schema_id: str) -> bool:
        """Whether a dataset of this schema has rows."""
        return any(
            one["schemaRef"]["id"] == schema_id and identifier in self.stores and self.stores[identifier].rows > 0
            for identifier, one in self.datasets.items()
        )
