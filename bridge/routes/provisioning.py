"""What AEP is to hold for a route, as its settings and files say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge import shipped
from bridge.adobe.provisioning.desired import Desired, Known, MappingRow, Named, Namespace
from bridge.adobe.provisioning.fields import fields_of, standard_groups, tenant_in
from bridge.mapping.sets.convert import filled
from bridge.mapping.sets.table import load_mapping_set
from bridge.model.errors import SettingsError
from bridge.settings import every_setting, variable
from bridge.settings.mapping import NO_SCHEMA, SHIPPED_SCHEMA, SHIPPED_SET
from bridge.xdm.schema.fields import PLACEHOLDER_TENANT
from bridge.xdm.schema.schema_reading import load_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.settings import MappingSettings, Route, Settings

FOLDER: Final = SHIPPED_SET.parent
_IDENTITY: Final = re.compile(r"identityMap\.([^.\[\]]+)\[")
_MOENGAGE_USER_ID: Final = "moengageUserId"
_OF_MOENGAGE: Final = {
    "identities.externalId": "uid, the customer id",
    "identities.email": "email_id",
    "identities.phone": "mobile_number",
    "identities.moengageUserId": "moengage_user_id",
}
"""What MoEngage calls an identity of a canonical event."""
_GUIDE: Final = {
    "field_group": "Fields of MoEngage's events in the tenant's namespace.",
    "schema": "Campaign events and user actions of MoEngage Streams.",
    "dataset": "Campaign events and user actions from the MoEngage Streams API.",
    "account": "HTTP API endpoint for streaming MoEngage events.",
    "dataflow": "Streams MoEngage campaign and user events to AEP.",
    "mapping_set": "MoEngage events to XDM ExperienceEvents.",
}
"""Descriptions, where MoEngage's guide gives one in its words."""


def desired_state(route: Route) -> Desired:
    """The desired state of one route to AEP. Raises ``SettingsError``, ``SchemaError``, ``MappingError``."""
    if route.destination != "aep":
        raise SettingsError(
            f"route {route.name} goes to {route.destination}; setup is for routes to AEP, and from Adobe"
        )
    settings = route.settings
    document = load_schema(desired_schema(settings.mapping))
    named_tenant = tenant_in(document, settings.mapping.tenant, PLACEHOLDER_TENANT)
    fields = fields_of(document, named_tenant)
    if not fields:
        raise SettingsError(
            f"{desired_schema(settings.mapping)} has no fields in a tenant's namespace",
            hint="BRIDGE_MAPPING__SCHEMA names the schema (resolved JSON) whose fields AEP is to have; unset it for the"
            " schema that ships",
        )
    tenant = stated_tenant(settings)
    rows = tuple(_rows(settings.mapping, tenant))
    names = settings.setup

    def named(kind: str, name: str) -> Named:
        return Named(name, _GUIDE[kind])

    return Desired(
        sandbox=settings.aep.sandbox,
        tenant=tenant,
        namespaces=tuple(_namespaces(settings, rows)),
        fields=fields,
        standard_groups=standard_groups(document),
        field_group=named("field_group", names.field_group_name),
        schema=named("schema", names.schema_name),
        dataset=named("dataset", names.dataset_name),
        account=named("account", names.account_name),
        dataflow=named("dataflow", names.dataflow_name),
        mapping_set=named("mapping_set", names.mapping_set_name),
        profile=names.profile,
        payload=settings.aep.payload,
        authenticated=settings.aep.auth == "oauth",
        rows=rows,
        known=Known(
            schema_id=stated(settings, "aep", "schema_id"),
            dataset_id=stated(settings, "aep", "dataset_id"),
            flow_id=stated(settings, "aep", "flow_id"),
        ),
    )


def desired_schema(settings: MappingSettings) -> Path:
    """The file whose fields AEP is to have: that of the settings, else the one that ships."""
    return settings.schema_path or shipped.find(SHIPPED_SCHEMA)


def schema_file(route: Route) -> Path | None:
    """Where the schema fetched from AEP belongs, never over the shipped one; None where none is wanted.

    Beside the settings, or there in the folder of mapping sets, which is what containers are given.
    """
    if route.settings.mapping.schema_ == NO_SCHEMA:
        return None
    name = f"aep-schema.{route.name}.json" if route.declared else "aep-schema.json"
    return FOLDER / name if FOLDER.is_dir() else Path(name)


def stated(settings: Settings, section: str, key: str) -> str:
    """A setting's value, "" where it is unset or only the example."""
    value = getattr(getattr(settings, section), key)
    return "" if value is None or str(value) == every_setting()[variable(section, key)][1] else str(value)


def stated_tenant(settings: Settings) -> str:
    """The tenant, "" where the settings leave the example."""
    return "" if settings.mapping.tenant == PLACEHOLDER_TENANT else settings.mapping.tenant


def _rows(settings: MappingSettings, tenant: str) -> Iterator[MappingRow]:
    """The mapping set with everything filled in but a tenant that only AEP knows."""
    known = {**settings.placeholders, "primary_identity": settings.primary_identity[0]}
    if tenant:
        known["tenant"] = tenant
    for row in filled(load_mapping_set(settings.path), known).rows:
        yield MappingRow(row.source_type, row.source, row.destination)


def _namespaces(settings: Settings, rows: Sequence[MappingRow]) -> Iterator[Namespace]:
    """The priority list, and what rows write besides: an identity in a namespace that is not there is left out by AEP."""
    written = [found[1] for row in rows if (found := _IDENTITY.match(row.destination))]
    told: set[str] = set()
    for code in (*settings.mapping.primary_identity, *written):
        if code.lower() in told:
            continue
        told.add(code.lower())
        ours = code == _MOENGAGE_USER_ID
        yield Namespace(
            code,
            "MoEngage User ID" if ours else code,
            settings.setup.namespace_type,
            "MoEngage's own user id." if ours else "Customers' ids in MoEngage events.",
        )


def attribute_of_primary(rows: Sequence[MappingRow], primary: str) -> str:
    """The source from which the primary namespace takes its id, with MoEngage's word for it; "" where no row writes it."""
    source = next((row.source for row in rows if row.destination == f"identityMap.{primary}[0].id"), "")
    return f"{source} (MoEngage: {_OF_MOENGAGE[source]})" if source in _OF_MOENGAGE else source
