"""The envelope of the streaming API, byte for byte what the documents ask for."""

from __future__ import annotations

import orjson
import pytest

from bridge.destinations.aep.envelope import raw_envelope, xdm_envelope
from bridge.model.verdicts import Rejected, Stage

EVENT = {"_id": "test_event_001", "timestamp": "2024-11-12T14:20:00Z", "name": 'Zoë "quoted" 😀'}
SCHEMA = {
    "id": "https://ns.adobe.com/yourorgname/schemas/0123",
    "contentType": "application/vnd.adobe.xed-full+json;version=1",
}


def envelope(**changes):
    """An XDM envelope."""
    values = {
        "schema_id": SCHEMA["id"],
        "org_id": "A@AdobeOrg",
        "dataset_id": "d1",
        "flow_id": "f1",
        "source_name": "MoEngage Streams",
        "max_request_bytes": 10_000,
    }
    return xdm_envelope(**(values | changes))


def test_xdm_envelope_as_documented():
    """Header, xdmMeta equal to the header's schema, and the event as xdmEntity."""
    documented = {
        "header": {
            "schemaRef": SCHEMA,
            "imsOrgId": "A@AdobeOrg",
            "datasetId": "d1",
            "flowId": "f1",
            "source": {"name": "MoEngage Streams"},
        },
        "body": {"xdmMeta": {"schemaRef": SCHEMA}, "xdmEntity": EVENT},
    }
    wrapped = envelope()
    item = wrapped.encode(EVENT)
    assert orjson.loads(wrapped.single(item)) == documented
    assert orjson.loads(wrapped.batch([item])) == {"messages": [documented]}
    assert orjson.loads(wrapped.batch([item] * 3)) == {"messages": [documented] * 3}


def test_raw_payload_is_the_event_itself():
    """Payload = raw: no envelope."""
    raw = raw_envelope(max_request_bytes=10_000)
    item = raw.encode(EVENT)
    assert orjson.loads(raw.single(item)) == EVENT
    assert orjson.loads(raw.batch([item, item])) == {"messages": [EVENT, EVENT]}


def test_batch_size_is_what_the_arithmetic_says():
    """Frame + items + separators is the body's size, so that batches can be filled without building them."""
    wrapped = envelope()
    items = [wrapped.encode(EVENT | {"_id": str(n)}) for n in range(7)]
    body = wrapped.batch(items)
    assert len(body) == wrapped.frame_bytes + sum(map(len, items)) + len(wrapped.separator) * 6
    assert [message["body"]["xdmEntity"]["_id"] for message in orjson.loads(body)["messages"]] == list("0123456")


def test_event_that_alone_exceeds_a_request_is_rejected():
    """Exactly the limit passes, one byte more does not."""
    size = len(envelope().batch([envelope().encode(EVENT)]))
    assert isinstance(envelope(max_request_bytes=size).encode(EVENT), bytes)
    rejected = envelope(max_request_bytes=size - 1).encode(EVENT)
    assert isinstance(rejected, Rejected)
    assert (rejected.stage, rejected.code) == (Stage.DELIVER, "too_large")


@pytest.mark.parametrize("value", ["\ud800", 2**70, object(), {1: 2}])
def test_event_that_is_not_json_is_rejected(value):
    """Lone surrogates, huge integers and foreign objects end as a dead letter, not as an exception."""
    rejected = envelope().encode(EVENT | {"value": value})
    assert isinstance(rejected, Rejected)
    assert rejected.code == "not_json"
