"""What somebody does with mParticle's own Python client: run by test_mparticle_own_client.py in that client's environment, never imported.

    python mparticle_session.py URL KEY SECRET < table.json

``URL`` stands for https://s2s.mparticle.com/v2; the table is a list of commerce events' ``data``. Prints one JSON object: the status of each call.
"""

import json
import sys

import mparticle
from mparticle.models.user_attribute_change_event import UserAttributeChangeEvent
from mparticle.rest import ApiException

URL, KEY, SECRET = sys.argv[1:]


def client(secret):
    """A client that posts to us."""
    configuration = mparticle.Configuration()
    configuration.host, configuration.api_key, configuration.api_secret = URL, KEY, secret
    return mparticle.EventsApi(configuration)


def batch(customer, *events, **members):
    """A batch of one customer."""
    found = mparticle.Batch()
    found.environment = "development"
    found.mpid = -1234567890123456789
    found.user_identities = mparticle.UserIdentities(customerid=customer, email=f"{customer}@example.com")
    for name, value in members.items():
        setattr(found, name, value)
    found.events = list(events)
    return found


def commerce(data):
    """A commerce event of the client's own classes."""
    action, promoted = data.get("product_action"), data.get("promotion_action")
    event = mparticle.CommerceEvent(
        product_action=action
        and mparticle.ProductAction(
            **{**action, "products": [mparticle.Product(**product) for product in action["products"]]}
        ),
        promotion_action=promoted
        and mparticle.PromotionAction(
            promoted["action"], [mparticle.Promotion(**promotion) for promotion in promoted["promotions"]]
        ),
        product_impressions=[
            mparticle.ProductImpression(
                shown["product_impression_list"], [mparticle.Product(**product) for product in shown["products"]]
            )
            for shown in data.get("product_impressions", ())
        ]
        or None,
    )
    for name in ("currency_code", "custom_attributes", "timestamp_unixtime_ms"):
        if name in data:
            setattr(event, name, data[name])
    return event


def status_of(call, *arguments):
    """What was answered."""
    try:
        return call(*arguments)[1]
    except ApiException as refused:
        return refused.status


consent = mparticle.ConsentState()
consent.gdpr["marketing"] = mparticle.GDPRConsentState(consented=True, timestamp_unixtime_ms=1_762_000_000)
consent.ccpa["data_sale_opt_out"] = mparticle.CCPAConsentState(consented=False, timestamp_unixtime_ms=1_762_000_000)
watched = mparticle.AppEvent("Video Watched", "other", timestamp_unixtime_ms=1_762_063_996_000)
watched.custom_attributes = {"length": "12", "part": 3, "live": False, "rating": None}
device = mparticle.DeviceInformation(platform="fire_tv")
application = mparticle.ApplicationInformation(application_version="4.2")
attributes = {"$FirstName": "Zoë", "$mobile": "+4930", "$City": "Köln", "tier": "gold", "sizes": ["M", "L"]}
changed = UserAttributeChangeEvent(user_attribute_name="visits", new=42, old=41, deleted=False)
screen = mparticle.ScreenViewEvent(screen_name="Home", timestamp_unixtime_ms=1_762_063_996_000)
api = client(SECRET)
said = {
    "user": status_of(
        api.upload_events_with_http_info,
        batch(
            "C-1",
            watched,
            device_info=device,
            application_info=application,
            user_attributes=attributes,
            deleted_user_attributes=["old"],
            consent_state=consent,
        ),
    ),
    "change": status_of(api.upload_events_with_http_info, batch("C-2", changed, screen)),
    "bulk": status_of(
        api.bulk_upload_events_with_http_info, [batch("C-3", commerce(data)) for data in json.load(sys.stdin)]
    ),
    "refused": status_of(client("wrong").upload_events_with_http_info, batch("C-4", watched)),
}
sys.stdout.write(json.dumps(said) + "\n")
