"""Profiles as Adobe sends them, raw and by our template, and what a decoder at a fixed time makes of them."""

from bridge.model.event import ANY
from bridge.settings import AdobeSettings
from bridge.sources.adobe.decoder import AdobeDecoder

NOW = 1_793_607_331_000_000
CART = "11111111-aaaa-4bbb-8ccc-000000000001"
OLD = "11111111-aaaa-4bbb-8ccc-000000000002"
UPLOADED = "22222222-aaaa-4bbb-8ccc-000000000003"
RAW = {
    "person": {"name": {"firstName": "Zoë", "lastName": 'O\'Neil "Z"'}},
    "personalEmail": {"address": "zoe@example.com"},
    "_acme": {"loyalty": {"points": 120, "tier": None}},
    "segmentMembership": {
        "ups": {
            CART: {
                "lastQualificationTime": "2026-11-02T08:15:30Z",
                "status": "realized",
                "name": "Cart <abandoners> & co",
                "createdAt": 1790000000000,
                "mappingUpdatedAt": 1790100000000,
            },
            OLD: {"lastQualificationTime": "2026-11-02T08:15:30.123456Z", "status": "exited"},
        },
        "CustomerAudienceUpload": {
            UPLOADED: {"lastQualificationTime": "2026-11-01T00:00:00.000+0000", "status": "realized", "name": "VIP"}
        },
    },
    "identityMap": {
        "ecid": [{"id": "10000000000000000000000000000000000042"}],
        "email_lc_sha256": [{"id": "0f1e2d3c"}],
        "crmId": [{"id": "C-100"}],
    },
}
OURS = {
    "profile": {
        "attributes": {"firstName": {"value": "Zoë"}, "email": {"value": "zoe@example.com"}, "tier": {}},
        "identityMap": {"user_id": [{"id": "C-100"}], "email": [{"id": "zoe@example.com"}, {"id": "z@example.org"}]},
        "segmentMembership": {
            "ups": {
                CART: {"lastQualificationTime": "2026-11-02T08:15:30Z", "status": "realized"},
                OLD: {"lastQualificationTime": "2026-11-02T08:15:30Z", "status": "exited"},
            }
        },
    },
    "names": {"ups": {CART: "Cart &lt;abandoners&gt;", OLD: "VIP"}},
}


def decoder(**settings):
    """A decoder at a fixed time."""
    return AdobeDecoder(AdobeSettings(**settings), now=lambda: NOW * 1000)


CRM = decoder(customer_id_namespace="crmId")
PLAIN = decoder()


def events(document, by=PLAIN):
    """What the document becomes."""
    return list(by.events_of(document, ANY))
