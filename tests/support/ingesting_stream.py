"""One dataset of the emulator with its dataflow, whose batches a test closes by hand."""

from __future__ import annotations

import orjson
from platform_client import CATALOG, EXPORT, PlatformClient


class Stream:
    """One dataset with its dataflow."""

    def __init__(self, platform: PlatformClient) -> None:
        self.platform = platform
        self.emulator = platform.emulator

    async def set_up(self, **params) -> Stream:
        """Make schema, dataset, connection and flow."""
        self.schema = (await self.platform.schema(union=True))["$id"]
        self.dataset = await self.platform.dataset(self.schema, enableErrorDiagnostics=True)
        self.base = await self.platform.base(**params)
        self.flow = await self.platform.flow(self.base, self.dataset)
        self.inlet = (await self.platform.connection(self.base))["auth"]["params"]["inletUrl"]
        return self

    def message(self, event):
        """The event in its envelope."""
        schema = {"id": self.schema, "contentType": "application/vnd.adobe.xed-full+json;version=1"}
        header = {
            "schemaRef": schema,
            "imsOrgId": self.emulator.org_id,
            "datasetId": self.dataset,
            "flowId": self.flow,
            "source": {"name": "test"},
        }
        return {"header": header, "body": {"xdmMeta": {"schemaRef": schema}, "xdmEntity": event}}

    async def post(self, *events):
        """Post a batch; what was answered."""
        body = {"messages": [self.message(event) for event in events]}
        url = self.inlet.replace("/collection/", "/collection/batch/")
        answer = await self.platform.http.post(
            url, content=orjson.dumps(body), headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 207, answer.text
        return answer.json()["responses"]

    def settle(self):
        """Close the batch."""
        self.emulator.control(platform={"settle": True})

    async def batches(self, query=""):
        """The dataset's batches as Catalog lists them."""
        return (await self.platform.call("GET", f"{CATALOG}/batches?dataSet={self.dataset}{query}")).json()

    async def lines(self, batch):
        """The raw lines of a failed batch."""
        listed = (await self.platform.call("GET", f"{EXPORT}/batches/{batch}/failed")).json()["data"]
        text = ""
        for one in listed:
            text += (await self.platform.call("GET", f"{EXPORT}/batches/{batch}/failed?path={one['name']}")).text
        return text.splitlines()

    async def counts(self):
        """What GET /dataset says of it."""
        return (await self.platform.http.get(f"{self.emulator.url}/dataset")).json()["datasets"].get(self.dataset)
