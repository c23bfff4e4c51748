"""A plain client of the platform APIs, with the headers that they want."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    import httpx

    from bridge.emulators.adobe import Emulator

REGISTRY = "/data/foundation/schemaregistry"
CATALOG = "/data/foundation/catalog"
FLOWS = "/data/foundation/flowservice"
CONVERSION = "/data/foundation/conversion"
EXPORT = "/data/foundation/export"
NAMESPACES = "/data/core/idnamespace/identities"
EVENT_CLASS = "https://ns.adobe.com/xdm/context/experienceevent"
STREAMING = "bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb"
DATA_LAKE = "c604ff05-7f1a-43c0-8e18-33bf874cb11c"
WITH_MAPPING = "c1a19761-d2c7-4702-b9fa-fe91f0613e81"
WITHOUT_MAPPING = "d8a6f005-7eaf-4153-983e-e8574508b877"
XED = "application/vnd.adobe.xed+json;version=1"
FULL = "application/vnd.adobe.xed-full+json; version=1"
IDS = "application/vnd.adobe.xed-id+json"
FIELDS = {
    "campaignId": {"title": "Campaign id", "type": "string"},
    "clicks": {"title": "Clicks", "type": "integer"},
    "sentAt": {"title": "Sent at", "type": "string", "format": "date-time"},
    "attributes": {
        "title": "Attributes",
        "type": "object",
        "meta:xdmType": "map",
        "additionalProperties": {"type": "string"},
    },
}


class PlatformClient:
    """One organisation's client in one sandbox."""

    def __init__(self, emulator: Emulator, http: httpx.AsyncClient, sandbox: str = "prod") -> None:
        self.emulator, self.http = emulator, http
        self.headers = {
            "x-api-key": emulator.client_id,
            "x-gw-ims-org-id": emulator.org_id,
            "x-sandbox-name": sandbox,
        }

    async def sign_in(self) -> PlatformClient:
        """Get a token."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.emulator.client_id,
            "client_secret": self.emulator.client_secret,
            "scope": "openid,AdobeID",
        }
        granted = (await self.http.post(self.emulator.token_url, data=form)).json()
        self.headers["Authorization"] = f"Bearer {granted['access_token']}"
        return self

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """One call; in names of headers an underscore stands for a dash."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            named.setdefault("Content-Type", "application/json")
        return await self.http.request(
            method,
            self.emulator.url + path,
            json=body,
            headers={"Accept": "application/json", **self.headers, **named},
        )

    async def made(self, path: str, body: Any) -> dict[str, Any]:
        """POST, which has to succeed."""
        answer = await self.call("POST", path, body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    async def field_group(self, title: str = "Details", fields: dict[str, Any] = FIELDS) -> dict[str, Any]:
        """A field group of the tenant."""
        return await self.made(f"{REGISTRY}/tenant/fieldgroups", field_group(title, fields))

    async def schema(self, title: str = "Events", *groups: str, union: bool = False) -> dict[str, Any]:
        """An ExperienceEvent schema with field groups by ``$id`` (one that is made for it when none is named)."""
        chosen = groups or ((await self.field_group(f"{title} details"))["$id"],)
        body = {"title": title, "type": "object", "allOf": [{"$ref": one} for one in (EVENT_CLASS, *chosen)]}
        if union:
            body["meta:immutableTags"] = ["union"]
        return await self.made(f"{REGISTRY}/tenant/schemas", body)

    async def dataset(self, schema_id: str, name: str = "Event data", **more: Any) -> str:
        """A dataset's id."""
        reference = {"id": schema_id, "contentType": "application/vnd.adobe.xed+json;version=1"}
        answer = await self.call("POST", f"{CATALOG}/dataSets", {"name": name, "schemaRef": reference, **more})
        assert answer.status_code == 201, answer.text
        return answer.json()[0].removeprefix("@/dataSets/")

    async def base(self, name: str = "Account", **params: Any) -> str:
        """A base connection's id."""
        spec = {"id": STREAMING, "version": "1.0"}
        auth = {"specName": "Streaming Connection", "params": {"dataType": "xdm", "name": name, **params}}
        return (await self.made(f"{FLOWS}/connections", {"name": name, "connectionSpec": spec, "auth": auth}))["id"]

    async def flow(self, base: str, dataset: str, mapping: dict[str, Any] | None = None, name: str = "Flow") -> str:
        """A dataflow's id, with its source and target connections."""
        source = {"name": "Source", "baseConnectionId": base, "connectionSpec": {"id": STREAMING, "version": "1.0"}}
        target = {
            "name": "Target",
            "params": {"dataSetId": dataset},
            "connectionSpec": {"id": DATA_LAKE, "version": "1.0"},
        }
        body = {
            "name": name,
            "flowSpec": {"id": WITHOUT_MAPPING if mapping is None else WITH_MAPPING, "version": "1.0"},
            "sourceConnectionIds": [(await self.made(f"{FLOWS}/sourceConnections", source))["id"]],
            "targetConnectionIds": [(await self.made(f"{FLOWS}/targetConnections", target))["id"]],
        }
        if mapping is not None:
            body["transformations"] = [{"name": "Mapping", "params": mapping}]
        return (await self.made(f"{FLOWS}/flows", body))["id"]

    async def connection(self, base: str) -> dict[str, Any]:
        """A base connection as it reads."""
        return (await self.call("GET", f"{FLOWS}/connections/{base}")).json()["items"][0]


def field_group(title: str, fields: dict[str, Any] = FIELDS, tenant: str = "_yourorgname") -> dict[str, Any]:
    """The body of a field group with these fields in the tenant's namespace."""
    inner = {tenant: {"type": "object", "properties": fields}}
    return {
        "title": title,
        "type": "object",
        "meta:intendedToExtend": [EVENT_CLASS],
        "definitions": {"customFields": {"type": "object", "properties": inner}},
        "allOf": [{"$ref": "#/definitions/customFields"}],
    }


def encoded(identifier: str) -> str:
    """A ``$id`` as it stands in a path."""
    return quote(identifier, safe="")
