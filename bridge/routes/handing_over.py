"""What MoEngage has to be told of a route, out of its settings and files; asks nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.adobe.provisioning.handover import Facts
from bridge.adobe.provisioning.sample import sample_event
from bridge.destinations.http.secrets import Secrets
from bridge.mapping.sets.convert import filled, to_csv
from bridge.mapping.sets.table import load_mapping_set
from bridge.routes.probing import guide_payload
from bridge.routes.provisioning import attribute_of_primary, desired_state, stated
from bridge.routes.receiving import paths
from bridge.settings.writing import is_stated
from bridge.xdm.schema.schema_reading import load_schema

if TYPE_CHECKING:
    from bridge.settings import Deployment, Route

_MOENGAGE_USER_ID = "moengageUserId"


def facts_of(deployment: Deployment, route: Route, now: float) -> Facts:
    """The facts of one route. Raises ``SettingsError``, ``SchemaError``, ``MappingError``, ``OSError`` as a settings error."""
    settings = route.settings
    desired = desired_state(route)
    tenant = _told(route, "mapping", "tenant")
    known = {**settings.mapping.placeholders, "primary_identity": settings.mapping.primary_identity[0]}
    if tenant:
        known["tenant"] = tenant
    receiver = settings.receiver
    secret = {"basic": receiver.password, "header": receiver.header_value}.get(receiver.auth or "")
    schema = settings.mapping.schema_path
    namespaces = settings.mapping.primary_identity
    return Facts(
        route=route.name,
        payload=settings.aep.payload,
        authenticated=settings.aep.auth == "oauth",
        receiver_path=next((path for path, name in paths(deployment.routes).items() if name == route.name), ""),
        receiver_url=receiver.public_url or "",
        receiver_auth=receiver.auth or "",
        receiver_user=receiver.username or "",
        receiver_header=receiver.header_name,
        receiver_secret=secret.get_secret_value() if secret is not None else "",
        endpoint=_told(route, "aep", "endpoint"),
        flow_id=_told(route, "aep", "flow_id"),
        schema_id=_told(route, "aep", "schema_id"),
        # Text that is JSON for certain: it is read once.
        schema_json="" if schema is None else _as_text(load_schema(schema)),
        schema_sample=sample_event(desired.fields, tenant or "_yourorgname", namespaces),
        dataset_id=_told(route, "aep", "dataset_id"),
        sandbox=settings.aep.sandbox,
        tenant=tenant,
        namespaces=namespaces,
        moengage_namespace=next((one for one in namespaces if one.lower() == _MOENGAGE_USER_ID.lower()), ""),
        primary_attribute=attribute_of_primary(desired.rows, namespaces[0]),
        test_payload=guide_payload(f"aep-bridge-verify-{now * 1_000:.0f}", int(now)),
        mapping_csv=to_csv(filled(load_mapping_set(settings.mapping.path), known)),
        client_id=_told(route, "oauth", "client_id"),
        client_secret=next(iter(Secrets(settings.oauth)), ""),
        organisation=_told(route, "aep", "org_id"),
        technical_account=_told(route, "oauth", "technical_account_id"),
        scopes=settings.oauth.scopes,
        token_endpoint=settings.oauth.token_url,
    )


def _told(route: Route, section: str, key: str) -> str:
    """A setting's value, "" where it is written nowhere; towards Adobe itself an example counts as nothing."""
    if not is_stated(route, section, key):
        return ""
    if route.settings.aep.platform_url.rstrip("/").endswith(".adobe.io"):
        return stated(route.settings, section, key)
    return str(getattr(getattr(route.settings, section), key))


def _as_text(document: object) -> str:
    import json  # noqa: PLC0415 - only for those who hand over

    return json.dumps(document, ensure_ascii=False, indent=2)
