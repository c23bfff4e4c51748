"""The plan's second half: account, connections, mapping set and dataflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.adobe.flow_service import DATA_LAKE, HTTP_API, WITH_MAPPING, WITHOUT_MAPPING
from bridge.adobe.provisioning.conflicts import not_found, several
from bridge.adobe.provisioning.steps import (
    LATER,
    Action,
    Change,
    CreateFlowObject,
    CreateMappingSet,
    EnableDataflow,
    Kind,
    PatchDataflow,
    ReplaceMappingSet,
    Step,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bridge.adobe.provisioning.desired import Desired, MappingRow
    from bridge.adobe.provisioning.observed import Dataflow, Observed

_TYPE: Final = "application/vnd.adobe.xed-full+json;version=1"
_SPECIFICATION: Final = {"id": HTTP_API, "version": "1.0"}
_SHOWN: Final = 10
_ONCE_DISABLED: Final = frozenset({"disabled", "disabling"})
_FAILED: Final = frozenset({"draft", "delete-finalizing", "failed"})


def account(desired: Desired, observed: Observed) -> Iterator[Step]:
    """The account (base connection): its inlet is the endpoint."""
    kind, name = Kind.ACCOUNT, desired.account.name
    if (
        problem := several(kind, name, observed.accounts, "BRIDGE_SETUP__ACCOUNT_NAME", "BRIDGE_AEP__FLOW_ID")
    ) is not None:
        yield problem
        return
    authentication = "OAuth 2.0" if desired.authenticated else "none"
    if not observed.accounts:
        params: dict[str, Any] = {"dataType": desired.payload, "sourceId": name, "name": name}
        if desired.authenticated:
            params["authenticationRequired"] = True
        document = {
            "name": name,
            "description": desired.account.description,
            "connectionSpec": _SPECIFICATION,
            "auth": {"specName": "Streaming Connection", "params": params},
        }
        changes = (Change("payload", "", desired.payload), Change("authentication", "", authentication))
        yield Step(kind, name, Action.CREATE, changes=changes, write=CreateFlowObject("connections", document))
        return
    found = observed.accounts[0]
    differing = []
    if found.payload and found.payload != desired.payload:
        differing.append(Change("payload", found.payload, desired.payload))
    if found.authenticated != desired.authenticated:
        differing.append(Change("authentication", "OAuth 2.0" if found.authenticated else "none", authentication))
    if differing:
        theirs = ", ".join(f"{one.path} {one.old}" for one in differing)
        yield Step(
            kind,
            found.name,
            Action.CONFLICT,
            found.identifier,
            tuple(differing),
            todo=f"a connection never changes these: set BRIDGE_AEP__PAYLOAD and BRIDGE_AEP__AUTH to what it has ({theirs}),"
            " or set BRIDGE_SETUP__ACCOUNT_NAME to another name for a new one, which has another endpoint",
        )
    elif not found.endpoint:
        yield Step(
            kind,
            found.name,
            Action.CONFLICT,
            found.identifier,
            todo="it has no inlet URL: AEP has not finished it; wait",
        )
    else:
        yield Step(kind, found.name, Action.EXISTS, found.identifier)


def source(desired: Desired, observed: Observed) -> Iterator[Step]:
    """The source connection of the account."""
    kind, name = Kind.SOURCE, desired.account.name
    if (
        problem := several(kind, name, observed.sources, "BRIDGE_SETUP__ACCOUNT_NAME", "BRIDGE_AEP__FLOW_ID")
    ) is not None:
        yield problem
    elif observed.sources:
        yield Step(kind, observed.sources[0].name, Action.EXISTS, observed.sources[0].identifier)
    else:
        of = observed.accounts[0].identifier if len(observed.accounts) == 1 else LATER
        document = {"name": name, "baseConnectionId": of, "connectionSpec": _SPECIFICATION}
        write = None if of == LATER else CreateFlowObject("sourceConnections", document)
        yield Step(kind, name, Action.CREATE, changes=(Change("account", "", of),), write=write)


def target(desired: Desired, observed: Observed) -> Iterator[Step]:
    """The target connection to the dataset."""
    kind, name = Kind.TARGET, desired.dataset.name
    if (
        problem := several(kind, name, observed.targets, "BRIDGE_SETUP__DATAFLOW_NAME", "BRIDGE_AEP__FLOW_ID")
    ) is not None:
        yield problem
    elif observed.targets:
        yield Step(kind, observed.targets[0].name, Action.EXISTS, observed.targets[0].identifier)
    else:
        dataset = observed.datasets[0].identifier if len(observed.datasets) == 1 else LATER
        schema = observed.schemas[0].identifier if len(observed.schemas) == 1 else LATER
        document = {
            "name": name,
            "data": {"schema": {"id": schema, "version": f"{_TYPE}.0"}},
            "params": {"dataSetId": dataset},
            "connectionSpec": {"id": DATA_LAKE, "version": "1.0"},
        }
        write = None if LATER in (dataset, schema) else CreateFlowObject("targetConnections", document)
        yield Step(kind, name, Action.CREATE, changes=(Change("dataset", "", dataset),), write=write)


def mapping_document(desired: Desired, tenant: str, schema_id: str) -> dict[str, Any]:
    """The mapping set of the desired state as Data Prep takes it."""
    return document_of(desired.mapping_set.name, _rows(desired, tenant), schema_id)


def document_of(name: str, rows: Sequence[MappingRow], schema_id: str) -> dict[str, Any]:
    """A mapping set as Data Prep takes it: for a schema, with its rows in order."""
    return {
        "name": name,
        "outputSchema": {"schemaRef": {"id": schema_id, "contentType": _TYPE}},
        "mappings": [
            {"sourceType": row.source_type, "source": row.source, "destination": row.destination} for row in rows
        ],
    }


def _rows(desired: Desired, tenant: str) -> list[MappingRow]:
    return [row.within(tenant) for row in desired.rows]


def mapping_set(desired: Desired, observed: Observed) -> Iterator[Step]:
    """The mapping set, where AEP maps."""
    if desired.payload != "raw":
        return
    kind, name = Kind.MAPPING_SET, desired.mapping_set.name
    if (problem := several(kind, name, observed.mapping_sets, "BRIDGE_SETUP__MAPPING_SET_NAME")) is not None:
        yield problem
        return
    schema = observed.schemas[0].identifier if len(observed.schemas) == 1 else LATER
    wanted = _rows(desired, observed.tenant)
    document = mapping_document(desired, observed.tenant, schema)
    if observed.refused_rows:
        yield Step(
            kind,
            name,
            Action.CONFLICT,
            changes=tuple(
                Change(_destination(wanted, position), "", why) for position, why in observed.refused_rows[:_SHOWN]
            ),
            todo="Adobe's validation refuses these mappings: correct them in the mapping set (BRIDGE_MAPPING__PATH);"
            " aep-bridge mapping lint shows their rows",
        )
        return
    if not observed.mapping_sets:
        write = None if schema == LATER else CreateMappingSet(document)
        yield Step(kind, name, Action.CREATE, changes=(Change("rows", "", str(len(wanted))),), write=write)
        return
    found = observed.mapping_sets[0]
    changes = tuple(_row_changes(found.rows, wanted))
    if not changes:
        yield Step(kind, found.name, Action.EXISTS, found.identifier, note=f"version {found.version}")
    else:
        yield Step(
            kind,
            found.name,
            Action.CHANGE,
            found.identifier,
            changes,
            note=f"version {found.version + 1}",
            write=ReplaceMappingSet(found.identifier, document) if schema != LATER else None,
        )


def _destination(rows: Sequence[MappingRow], position: int) -> str:
    return rows[position].destination if position < len(rows) else f"row {position + 1}"


def _row_changes(theirs: Sequence[MappingRow], ours: Sequence[MappingRow]) -> Iterator[Change]:
    """Rows by destination, in which several may write the same place; the order of destinations does not matter."""
    old, new = _by_destination(theirs), _by_destination(ours)
    for destination in dict.fromkeys((*new, *old)):
        if old.get(destination, []) != new.get(destination, []):
            yield Change(destination, "; ".join(old.get(destination, [])), "; ".join(new.get(destination, [])))


def _by_destination(rows: Sequence[MappingRow]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.destination, []).append(f"{row.source_type} {row.source}")
    return found


def dataflow(desired: Desired, observed: Observed) -> Iterator[Step]:
    """The dataflow from source to target, with the mapping where there is one."""
    kind, name = Kind.DATAFLOW, desired.dataflow.name
    if (problem := not_found(kind, name, observed, "aep", "flow_id")) is not None:
        yield problem
        return
    if (
        problem := several(kind, name, observed.dataflows, "BRIDGE_SETUP__ACCOUNT_NAME", "BRIDGE_AEP__FLOW_ID")
    ) is not None:
        yield problem
        return
    mapped = desired.payload == "raw"
    mapping = observed.mapping_sets[0] if len(observed.mapping_sets) == 1 else None
    if not observed.dataflows:
        source_id = observed.sources[0].identifier if len(observed.sources) == 1 else LATER
        target_id = observed.targets[0].identifier if len(observed.targets) == 1 else LATER
        document: dict[str, Any] = {
            "name": name,
            "description": desired.dataflow.description,
            "flowSpec": {"id": WITH_MAPPING if mapped else WITHOUT_MAPPING, "version": "1.0"},
            "sourceConnectionIds": [source_id],
            "targetConnectionIds": [target_id],
        }
        changes = [Change("source", "", source_id), Change("target", "", target_id)]
        if mapped:
            changes.append(Change("mapping set", "", mapping.identifier if mapping else LATER))
            if mapping is not None:
                document["transformations"] = [_transformation(mapping.identifier, mapping.version)]
        ready = LATER not in (source_id, target_id) and (mapping is not None or not mapped)
        write = CreateFlowObject("flows", document) if ready else None
        yield Step(kind, name, Action.CREATE, changes=tuple(changes), write=write)
        return
    yield _existing(observed, observed.dataflows[0], mapped=mapped)


def _transformation(identifier: str, version: int) -> dict[str, Any]:
    return {"name": "Mapping", "params": {"mappingId": identifier, "mappingVersion": version}}


def _existing(observed: Observed, found: Dataflow, *, mapped: bool) -> Step:
    kind = Kind.DATAFLOW
    targets = {one.identifier for one in observed.targets}
    if targets and not targets & set(found.targets):
        return Step(
            kind,
            found.name,
            Action.CONFLICT,
            found.identifier,
            todo="the account's dataflow goes to another dataset: set BRIDGE_SETUP__ACCOUNT_NAME to another name for an"
            " account of this route's own, or BRIDGE_AEP__DATASET_ID to that dataset",
        )
    if mapped != (found.mapping_place >= 0):
        has = "a mapping" if found.mapping_place >= 0 else "no mapping"
        return Step(
            kind,
            found.name,
            Action.CONFLICT,
            found.identifier,
            todo=f"it has {has}, which BRIDGE_AEP__PAYLOAD={'raw' if mapped else 'xdm'} contradicts: set that to"
            f" {'xdm' if mapped else 'raw'}, or BRIDGE_SETUP__ACCOUNT_NAME to another name for a dataflow of its own",
        )
    if found.state in _FAILED:
        return Step(
            kind,
            found.name,
            Action.CONFLICT,
            found.identifier,
            todo=f"its state is {found.state}: publish or delete it in AEP (Sources, Dataflows)",
        )
    mapping = observed.mapping_sets[0] if len(observed.mapping_sets) == 1 else None
    if (
        mapped
        and mapping is not None
        and (found.mapping_id, found.mapping_version) != (mapping.identifier, mapping.version)
    ):
        operation = {
            "op": "replace",
            "path": f"/transformations/{found.mapping_place}",
            "value": _transformation(mapping.identifier, mapping.version),
        }
        change = Change(
            "mapping",
            f"{found.mapping_id} version {found.mapping_version}",
            f"{mapping.identifier} version {mapping.version}",
        )
        write = PatchDataflow(found.identifier, (operation,), found.etag)
        return Step(kind, found.name, Action.CHANGE, found.identifier, (change,), write=write)
    if found.state in _ONCE_DISABLED:
        change = Change("state", found.state, "enabled")
        return Step(
            kind, found.name, Action.CHANGE, found.identifier, (change,), write=EnableDataflow(found.identifier)
        )
    return Step(kind, found.name, Action.EXISTS, found.identifier, note="" if found.state == "enabled" else found.state)
