"""The envelope of the streaming API, byte for byte what the documents ask for."""

from __future__ import annotations

import orjson
import pytest

from bridge.aep.envelope import FRAME_BYTES, SEPARATOR, batch_body, raw_envelope, xdm_envelope
from bridge.verdicts import Rejected, Stage

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
    assert orjson.loads(envelope().encode(EVENT)) == {
        "header": {
            "schemaRef": SCHEMA,
            "imsOrgId": "A@AdobeOrg",
            "datasetId": "d1",
            "flowId": "f1",
            "source": {"name": "MoEngage Streams"},
        },
        "body": {"xdmMeta": {"schemaRef": SCHEMA}, "xdmEntity": EVENT},
    }


def test_raw_payload_is_the_event_itself():
    """Payload = raw: no envelope."""
    assert orjson.loads(raw_envelope(max_request_bytes=10_000).encode(EVENT)) == EVENT


def test_batch_size_is_what_the_arithmetic_says():
    """Frame + items + separators is the body's size, so that batches can be filled without building them."""
    items = [envelope().encode(EVENT | {"_id": str(n)}) for n in range(7)]
    body = batch_body(items)
    assert len(body) == FRAME_BYTES + sum(map(len, items)) + len(SEPARATOR) * 6
    assert [message["body"]["xdmEntity"]["_id"] for message in orjson.loads(body)["messages"]] == list("0123456")


def test_event_that_alone_exceeds_a_request_is_rejected():
    """Exactly the limit passes, one byte more does not."""
    size = len(envelope().encode(EVENT)) + FRAME_BYTES
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
