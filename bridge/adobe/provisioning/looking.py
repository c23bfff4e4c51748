"""Reading what is there: everything that fits the desired state by its natural key, or by an id that the settings name.

The platform APIs keep no state file for anybody, so that an interrupted apply is completed by looking: names are asked for and
compared once more here, as some filters know wildcards and some lists page in ways that have changed before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.adobe import catalog, data_prep, flow_service, identities, registry
from bridge.adobe.provisioning import observed as read
from bridge.adobe.provisioning.observed import Observed
from bridge.adobe.provisioning.planning_flow import mapping_document
from bridge.adobe.provisioning.steps import Kind
from bridge.adobe.refusals import PlatformError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from bridge.adobe.client import PlatformClient
    from bridge.adobe.pages import Document
    from bridge.adobe.provisioning.desired import Desired

    Look = Callable[[PlatformClient, Desired, Observed, str], Awaitable[Observed]]


async def look(client: PlatformClient, desired: Desired) -> Observed:
    """Everything, in the order of creation: each kind is found with what the kinds before it have shown."""
    observed = Observed(tenant=await registry.tenant(client))
    for kind in (Kind.NAMESPACE, Kind.FIELD_GROUP, Kind.SCHEMA, Kind.DATASET, Kind.DATAFLOW, Kind.MAPPING_SET):
        observed = await look_at(client, desired, observed, kind)
    return observed


async def look_at(
    client: PlatformClient, desired: Desired, observed: Observed, kind: Kind, identifier: str = ""
) -> Observed:
    """One kind once more; by ``identifier`` where AEP has just issued it, as a list may not show it yet."""
    return await _LOOKS[kind](client, desired, observed, identifier)


async def _namespaces(client: PlatformClient, _desired: Desired, observed: Observed, _identifier: str) -> Observed:
    found = [read.namespace(one) for one in await identities.namespaces(client)]
    return replace(observed, namespaces=tuple(found))


async def _field_groups(client: PlatformClient, desired: Desired, observed: Observed, identifier: str) -> Observed:
    ids = [identifier] if identifier else await _titled(client, "fieldgroups", desired.field_group.name)
    found = [read.field_group(await registry.read(client, "fieldgroups", one), observed.tenant) for one in ids]
    return replace(observed, field_groups=tuple(found))


async def _titled(client: PlatformClient, kind: registry.Kind, title: str) -> list[str]:
    return [str(one.get("$id") or one.get("meta:altId")) for one in await registry.titled(client, kind, title)]


async def _schemas(client: PlatformClient, desired: Desired, observed: Observed, identifier: str) -> Observed:
    missing = tuple(key for key in observed.not_found if key != "aep.schema_id")
    identifier = identifier or desired.known.schema_id
    ids = [identifier] if identifier else await _titled(client, "schemas", desired.schema.name)
    found = []
    for one in ids:
        try:
            raw = await registry.read(client, "schemas", one)
        except PlatformError as error:
            if error.status == 404 and one == desired.known.schema_id:
                return replace(observed, schemas=(), not_found=(*missing, "aep.schema_id"))
            raise
        resolved = await registry.read(client, "schemas", one, form=registry.RESOLVED)
        found.append(read.schema(raw, resolved, observed.tenant))
    return replace(observed, schemas=tuple(found), not_found=missing)


async def _datasets(client: PlatformClient, desired: Desired, observed: Observed, identifier: str) -> Observed:
    missing = tuple(key for key in observed.not_found if key != "aep.dataset_id")
    identifier = identifier or desired.known.dataset_id
    ids = [identifier] if identifier else [*await catalog.datasets_named(client, desired.dataset.name)]
    found = []
    for one in ids:
        document = await catalog.dataset(client, one)
        if document is not None:
            found.append(read.dataset(one, *document))
        elif one == desired.known.dataset_id:
            missing = (*missing, "aep.dataset_id")
    return replace(observed, datasets=tuple(found), not_found=missing)


async def _dataflows(client: PlatformClient, desired: Desired, observed: Observed, identifier: str) -> Observed:
    """The whole chain: the account by its name, its source connection, that one's dataflow; or all from the known dataflow."""
    if identifier and not desired.known.flow_id:
        return await _flows(client, desired, observed, identifier)
    missing = tuple(key for key in observed.not_found if key != "aep.flow_id")
    if desired.known.flow_id:
        document = await flow_service.read(client, "flows", desired.known.flow_id)
        if document is None:
            missing = (*missing, "aep.flow_id")
            return replace(observed, accounts=(), sources=(), targets=(), dataflows=(), not_found=missing)
        return await _chain_of(client, replace(observed, not_found=missing), read.dataflow(document))
    accounts = [
        read.account(one)
        for one in await flow_service.matching(
            client, "connections", name=desired.account.name, connectionSpec__id=flow_service.HTTP_API
        )
        if one.get("name") == desired.account.name
    ]
    observed = replace(observed, accounts=tuple(accounts), sources=(), dataflows=(), not_found=missing)
    if len(accounts) == 1:
        observed = await _sources(client, desired, observed, "")
    if len(observed.sources) == 1:
        observed = await _flows(client, desired, observed, "")
    return await _targets(client, desired, observed, "")


async def _chain_of(client: PlatformClient, observed: Observed, flow: read.Dataflow) -> Observed:
    sources = [read.source(one) for one in await _each(client, "sourceConnections", flow.sources)]
    targets = [read.target(one) for one in await _each(client, "targetConnections", flow.targets)]
    accounts = [read.account(one) for one in await _each(client, "connections", tuple(one.of for one in sources))]
    return replace(
        observed, accounts=tuple(accounts), sources=tuple(sources), targets=tuple(targets), dataflows=(flow,)
    )


async def _each(client: PlatformClient, kind: flow_service.Kind, identifiers: tuple[str, ...]) -> list[Document]:
    found = [await flow_service.read(client, kind, one) for one in identifiers if one]
    return [one for one in found if one is not None]


async def _accounts(client: PlatformClient, desired: Desired, observed: Observed, identifier: str) -> Observed:
    if not identifier:
        return await _dataflows(client, desired, observed, "")
    return replace(observed, accounts=tuple(map(read.account, await _each(client, "connections", (identifier,)))))


async def _sources(client: PlatformClient, _desired: Desired, observed: Observed, identifier: str) -> Observed:
    if identifier:
        documents = await _each(client, "sourceConnections", (identifier,))
    else:
        base = observed.accounts[0].identifier
        documents = await flow_service.matching(client, "sourceConnections", baseConnectionId=base)
        documents = [one for one in documents if one.get("baseConnectionId") == base]
    return replace(observed, sources=tuple(map(read.source, documents)))


async def _flows(client: PlatformClient, _desired: Desired, observed: Observed, identifier: str) -> Observed:
    if identifier:
        found = [read.dataflow(one) for one in await _each(client, "flows", (identifier,))]
    else:
        source = observed.sources[0].identifier
        documents = await flow_service.matching(client, "flows", sourceConnectionIds___=source)
        found = [one for one in map(read.dataflow, documents) if source in one.sources]
    return replace(observed, dataflows=tuple(found))


async def _targets(client: PlatformClient, desired: Desired, observed: Observed, identifier: str) -> Observed:
    """The dataflow's target connections; without a dataflow, those of our name to the dataset."""
    if identifier:
        documents = await _each(client, "targetConnections", (identifier,))
    elif len(observed.dataflows) == 1:
        documents = await _each(client, "targetConnections", observed.dataflows[0].targets)
    elif len(observed.datasets) == 1:
        dataset = observed.datasets[0].identifier
        documents = await flow_service.matching(client, "targetConnections", params__dataSetId=dataset)
        documents = [
            one for one in documents if read.target(one).of == dataset and one.get("name") == desired.dataset.name
        ]
    else:
        documents = []
    return replace(observed, targets=tuple(map(read.target, documents)))


async def _mapping_sets(client: PlatformClient, desired: Desired, observed: Observed, identifier: str) -> Observed:
    """The dataflow's mapping set; without one, those of our name for the schema. Adobe's validation judges what is to be sent."""
    if desired.payload != "raw":
        return observed
    flow = observed.dataflows[0] if len(observed.dataflows) == 1 else None
    schema = observed.schemas[0].identifier if len(observed.schemas) == 1 else ""
    if identifier:
        ids = [identifier]
    elif flow is not None and flow.mapping_id:
        ids = [flow.mapping_id]
    else:
        listed = map(read.mapping_set, await data_prep.named(client, desired.mapping_set.name))
        ids = [one.identifier for one in listed if one.schema_id in ("", schema)]
    documents = [await data_prep.read(client, one) for one in ids]
    found = tuple(read.mapping_set(one) for one in documents if one is not None)
    return replace(observed, mapping_sets=found)


async def refused_rows(client: PlatformClient, desired: Desired, observed: Observed) -> tuple[tuple[int, str], ...]:
    """Position and reason of every mapping that Adobe's validation refuses; none where there is no schema yet."""
    if desired.payload != "raw" or len(observed.schemas) != 1:
        return ()
    document = mapping_document(desired, observed.tenant, observed.schemas[0].identifier)
    verdicts = await data_prep.validate(client, document)
    return tuple((position, why) for position, why in enumerate(verdicts) if why is not None)


_LOOKS: Mapping[Kind, Look] = {
    Kind.NAMESPACE: _namespaces,
    Kind.FIELD_GROUP: _field_groups,
    Kind.SCHEMA: _schemas,
    Kind.PROFILE: _schemas,
    Kind.DATASET: _datasets,
    Kind.ACCOUNT: _accounts,
    Kind.SOURCE: _sources,
    Kind.TARGET: _targets,
    Kind.MAPPING_SET: _mapping_sets,
    Kind.DATAFLOW: _dataflows,
}
