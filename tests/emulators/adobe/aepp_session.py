"""What somebody does with Adobe's own Python client: run by test_aepp.py in that client's environment, never imported.

    python aepp_session.py URL ORG CLIENT_ID CLIENT_SECRET

Only hosts are rewritten; every path, header and body is the client's own. Prints one JSON object of what came back.
"""

import json
import sys
import time
from urllib.parse import urlsplit

import requests

URL, ORG, CLIENT_ID, CLIENT_SECRET = sys.argv[1:]
ADOBES = {"platform.adobe.io", "ims-na1.adobelogin.com", "dcs.adobedc.net"}
plain_request = requests.Session.request


def rewritten(self, method, url, *args, **kwargs):
    """A request to one of Adobe's hosts goes to the emulator; any other host is an error."""
    parts = urlsplit(url)
    assert parts.hostname in ADOBES, url
    return plain_request(self, method, url.replace(f"{parts.scheme}://{parts.netloc}", URL, 1), *args, **kwargs)


requests.Session.request = rewritten

import aepp  # noqa: E402
from aepp import (  # noqa: E402
    accesscontrol,
    catalog,
    customerprofile,
    dataaccess,
    dataprep,
    flowservice,
    identity,
    ingestion,
    observability,
    sandboxes,
    schema,
)

EVENT_CLASS = "https://ns.adobe.com/xdm/context/experienceevent"


def field_group(tenant):
    """A field group's body."""
    fields = {"clicks": {"title": "Clicks", "type": "integer"}, "campaignId": {"title": "Campaign", "type": "string"}}
    return {
        "title": "Click details",
        "type": "object",
        "meta:intendedToExtend": [EVENT_CLASS],
        "definitions": {
            "customFields": {"type": "object", "properties": {tenant: {"type": "object", "properties": fields}}}
        },
        "allOf": [{"$ref": "#/definitions/customFields"}],
    }


def message(schema_id, dataset, flow, event):
    """An event in its envelope."""
    reference = {"id": schema_id, "contentType": "application/vnd.adobe.xed-full+json;version=1"}
    header = {"schemaRef": reference, "imsOrgId": ORG, "datasetId": dataset, "flowId": flow, "source": {"name": "aepp"}}
    return {"header": header, "body": {"xdmMeta": {"schemaRef": reference}, "xdmEntity": event}}


def event(identifier, clicks):
    """An event."""
    who = {"Email": [{"id": "ann@example.com", "primary": True}]}
    fields = {TENANT: {"clicks": clicks}}
    return {"_id": identifier, "timestamp": "2026-11-26T08:00:00Z", "identityMap": who, **fields}


def until(ask):
    """Ask until there is an answer, twenty seconds at most."""
    end = time.monotonic() + 20
    while not (found := ask()):
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.2)
    return found


aepp.configure(
    org_id=ORG, client_id=CLIENT_ID, secret=CLIENT_SECRET, scopes="openid,AdobeID,session", sandbox="prod", retry=0
)
said = {}

registry = schema.Schema()
TENANT = "_" + registry.getTenantId().lstrip("_")
said["tenant"] = TENANT
said["sandboxes"] = [one["name"] for one in sandboxes.Sandboxes().getSandboxes()]
said["policies"] = accesscontrol.AccessControl().getEffectivePolicies(["/permissions/manage-schemas"])["policies"]
who = identity.Identity()
who.createIdentity(name="Shop", code="ShopID", idType="CROSS_DEVICE")
said["namespaces"] = [one["code"] for one in who.getIdentities()]

group = registry.createFieldGroup(field_group(TENANT))
made = registry.createExperienceEventSchema("Clicks", fieldGroupIds=[group["$id"]])
said["schemas"] = [one["title"] for one in registry.getSchemas()]
resolved = registry.getSchema(made["$id"], full=True)
said["fields"] = sorted(resolved["properties"])
said["union"] = registry.enableSchemaForRealTime(made["meta:altId"])["meta:immutableTags"]
said["groups"] = [one["title"] for one in registry.getFieldGroups()]
descriptor = registry.createDescriptorOperation(
    made["$id"], "xdm:descriptorIdentity", completePath=f"/{TENANT}/campaignId", identityNSCode="ShopID"
)
registry.createDescriptor(descriptor)
said["descriptors"] = len(registry.getDescriptors())

store = catalog.Catalog()
dataset = store.createDataSet(name="Clicks", schemaId=made["$id"], profileEnabled=True, identityEnabled=True)[0]
dataset = dataset.removeprefix("@/dataSets/")
said["datasets"] = [one["name"] for one in store.getDataSets().values()]
said["dataset"] = store.getDataSet(dataset)[dataset]["schemaRef"]["id"] == made["$id"]

flows = flowservice.FlowService()
base = flows.createConnectionStreaming(
    name="Clicks", sourceId="clicks", paramName="clicks", authenticationRequired=True
)
source = flows.createSourceConnectionStreaming(base["id"], "Clicks source", format="json")
target = flows.createTargetConnectionDataLake("Clicks lake", dataset, made["$id"], format="json")
flow = flows.createFlow(
    "d8a6f005-7eaf-4153-983e-e8574508b877",
    name="Clicks",
    source_connection_id=source["id"],
    target_connection_id=target["id"],
)
inlet = flows.getConnection(base["id"])["auth"]["params"]["inletId"]
said["flows"] = [one["name"] for one in flows.getFlows()]

stream = ingestion.DataIngestion()
messages = [message(made["$id"], dataset, flow["id"], event(str(number), 1)) for number in range(3)]
messages.append(message(made["$id"], dataset, flow["id"], event("bad", "many")))
answer = stream.streamMessages(inlet, messages)
said["accepted"] = sum("status" not in one for one in answer["responses"])

failed = until(lambda: store.getBatches(dataSet=dataset, status="failed"))
batch = next(iter(failed))
said["failed"] = store.getFailedBatchesDF(dataSet=dataset).to_dict("records")
files = dataaccess.DataAccess()
part = files.getBatchFailed(batch)[1]["name"]
text = store.getResource(f"{files.endpoint}/batches/{batch}/failed", params={"path": part}, format="txt")
said["records"] = store.jsonStreamMessages(store.decodeStreamBatch(text.strip()))
said["preview"] = sorted(one["_id"] for one in until(lambda: files.getPreview(dataset)))
success = next(iter(store.getBatches(dataSet=dataset, status="success")))
row = files.getBatchFiles(success)[0]
name = files.getFiles(row["dataSetFileId"])["data"][0]["name"]
said["file"] = files.getFiles(row["dataSetFileId"], path=name).decode().count("\n")
said["runs"] = [one["metrics"]["recordSummary"] for one in flows.getRuns(prop=f"flowId=={flow['id']}")]
report = {
    "start": "2000-01-01T00:00:00.000Z",
    "end": "2100-01-01T00:00:00.000Z",
    "granularity": "DAY",
    "metrics": [{"name": "timeseries.ingestion.dataset.recordsuccess.count", "filters": [], "aggregator": "sum"}],
}
(response,) = observability.Observability().createMetricsReport(report)["metricResponses"]
said["metric"] = sum(sum(point["dps"].values()) for point in response["datapoints"])
said["profile"] = customerprofile.Profile().getEntity(entityId="ann@example.com", entityIdNS="Email").get("status")

mapper = dataprep.DataPrep()
rules = [
    {"sourceType": "ATTRIBUTE", "source": "id", "destination": "_id"},
    {"sourceType": "ATTRIBUTE", "source": "when", "destination": "timestamp"},
    {"sourceType": "ATTRIBUTE", "source": "clicks", "destination": f"{TENANT}.clicks"},
]
mapping = mapper.createMappingSet(schemaId=made["$id"], mappingList=rules, validate=True)
said["rules"] = mapper.cleanMappingRules(mapper.getMappingSet(mapping["id"])["mappings"])
mapper.updateMappingSet(mapping["id"], rules)
said["version"] = mapper.getMappingSet(mapping["id"])["version"]
said["sets"] = len(mapper.getMappingSets())

base = flows.createConnectionStreaming(name="Raw", sourceId="raw", paramName="raw", dataType="raw")
source = flows.createSourceConnectionStreaming(base["id"], "Raw source", format="json")
raw = flows.createFlow(
    "c1a19761-d2c7-4702-b9fa-fe91f0613e81",
    name="Raw",
    source_connection_id=source["id"],
    target_connection_id=target["id"],
    transformation_name="Mapping",
    transformation_mapping_id=mapping["id"],
)
manager = flowservice.FlowManager(raw["id"])
manager.updateFlowMapping(mapping["id"])
said["pinned"] = flows.getFlow(raw["id"])["transformations"][0]["params"]["mappingVersion"]
inlet = flows.getConnection(base["id"])["auth"]["params"]["inletId"]
sent = stream.streamMessage(inlet, {"id": "raw", "when": "2026-11-26T08:00:00Z", "clicks": "5"}, raw["id"])
said["raw"] = sorted(sent)
until(lambda: any(one["_id"] == "raw" for one in files.getPreview(dataset)))
flows.deleteFlow(raw["id"])
said["left"] = [one["name"] for one in flows.getFlows()]
sys.stdout.write(json.dumps(said) + "\n")
