"""What setting up leaves on this machine: the resolved schema in a file of its own, and the ids in the settings. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bridge.adobe.provisioning.steps import LATER, Action, Change, Kind, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bridge.adobe.provisioning.desired import Desired
    from bridge.adobe.provisioning.observed import Observed

_VOLATILE: Final = frozenset({"meta:registryMetadata", "meta:createdDate", "meta:usageCount", "imsOrg"})
"""Keys of a schema's answer that change although the schema does not."""


@dataclass(frozen=True, slots=True)
class Results:
    """What AEP has issued, "" where it has not yet."""

    sandbox: str
    tenant: str
    schema_id: str
    dataset_id: str
    flow_id: str
    endpoint: str

    @property
    def is_complete(self) -> bool:
        """Whether everything is there."""
        return all((self.schema_id, self.dataset_id, self.flow_id, self.endpoint))


def results(desired: Desired, observed: Observed) -> Results:
    """The ids of what was found, where exactly one was."""

    def only(found: tuple[Any, ...], name: str) -> str:
        return str(getattr(found[0], name)) if len(found) == 1 else ""

    return Results(
        desired.sandbox,
        observed.tenant,
        only(observed.schemas, "identifier"),
        only(observed.datasets, "identifier"),
        only(observed.dataflows, "identifier"),
        only(observed.accounts, "endpoint"),
    )


def settings_values(found: Results, schema_file: Path | None) -> dict[tuple[str, str], str]:
    """Section and key of every setting that setting up decides, with its value; ids that are not issued yet are ""."""
    values = {
        ("mapping", "tenant"): found.tenant,
        ("aep", "sandbox"): found.sandbox,
        ("aep", "endpoint"): found.endpoint,
        ("aep", "schema_id"): found.schema_id,
        ("aep", "dataset_id"): found.dataset_id,
        ("aep", "flow_id"): found.flow_id,
    }
    if schema_file is not None:
        values["mapping", "schema"] = str(schema_file)
    return values


def settings_step(values: Mapping[str, str], current: Mapping[str, str]) -> Step:
    """The settings as one step; both by the names of their variables, ``current`` without what is only an example."""
    changes = tuple(
        Change(name, current.get(name, ""), value or LATER)
        for name, value in values.items()
        if current.get(name) != value
    )
    action = Action.EXISTS if not changes else Action.CHANGE
    return Step(Kind.SETTINGS, "of the bridge", action, changes=changes)


def schema_text(document: Mapping[str, Any]) -> str:
    """The resolved schema as its file holds it."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def schema_step(path: Path, there: str | None, observed: Observed, *, will_change: bool) -> Step:
    """The schema's file, against what AEP says; ``will_change``: the plan changes the schema."""
    if len(observed.schemas) != 1 or will_change:
        action = Action.CREATE if there is None else Action.CHANGE
        return Step(Kind.SCHEMA_FILE, str(path), action, note="fetched from AEP at the end")
    if there is None:
        return Step(Kind.SCHEMA_FILE, str(path), Action.CREATE, note="fetched from AEP")
    if not is_same_schema(there, observed.schemas[0].document):
        return Step(Kind.SCHEMA_FILE, str(path), Action.CHANGE, note="AEP's schema has changed since")
    return Step(Kind.SCHEMA_FILE, str(path), Action.EXISTS)


def is_same_schema(there: str, document: Mapping[str, Any]) -> bool:
    """Whether a file holds that schema, but for what AEP notes about it."""
    try:
        mine = json.loads(there)
    except ValueError:
        return False
    return isinstance(mine, dict) and dict(_lasting(mine)) == dict(_lasting(document))


def _lasting(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        if key not in _VOLATILE:
            yield key, value
