"""MoEngage's table of mParticle's commerce events (partner guide: outbound user and event forwarding): what comes, and what it is at MoEngage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PRODUCT_ACTIONS = (
    "add_to_cart",
    "remove_from_cart",
    "checkout",
    "checkout_option",
    "click",
    "view_detail",
    "purchase",
    "refund",
    "add_to_wishlist",
    "remove_from_wish_list",
)
AT, TOLD_AT = 1_762_063_996_000, "2025-11-02T06:13:16Z"
"""The same moment, as mParticle and as MoEngage write it."""
PRODUCT = {
    "id": "SKU-1",
    "name": "Shirt",
    "category": "Clothes",
    "brand": "Acme",
    "price": 10.25,
    "quantity": 2,
    "total_product_amount": 20.5,
    "custom_attributes": {"color": "red"},
}
NAMED = {
    "Id": "SKU-1",
    "Name": "Shirt",
    "Category": "Clothes",
    "Brand": "Acme",
    "Price": 10.25,
    "Quantity": 2,
    "TotalProductAmount": 20.5,
    "Attributes": {"color": "red"},
}
_PROMOTION = {"id": "p", "name": "n", "creative": "c", "position": "top"}


@dataclass(frozen=True, slots=True)
class CommerceExample:
    """``data`` of a commerce_event, and the single action that MoEngage gets for it."""

    data: dict[str, Any]
    action: dict[str, Any]


def _product_action(action: str) -> CommerceExample:
    products = [PRODUCT, {"id": "SKU-2", "name": "Hat"}]
    return CommerceExample(
        {
            "product_action": {"action": action, "transaction_id": "T-1", "products": products},
            "custom_attributes": {"campaign": "spring"},
            "timestamp_unixtime_ms": AT,
        },
        {
            "action": action,
            "user_time": TOLD_AT,
            "attributes": {
                "campaign": "spring",
                "TransactionId": "T-1",
                "Products": [NAMED, {"Id": "SKU-2", "Name": "Hat"}],
            },
        },
    )


ACTIONS = {action: _product_action(action) for action in PRODUCT_ACTIONS}
AMOUNTS = CommerceExample(
    {
        "product_action": {
            "action": "purchase",
            "total_amount": 20.5,
            "shipping_amount": 3,
            "tax_amount": 1.25,
            "products": [PRODUCT],
        },
        "currency_code": "EUR",
    },
    {
        "action": "purchase",
        "attributes": {
            "Products": [NAMED],
            "currency": "EUR",
            "Total Amount": "20.5",
            "Shipping Amount": "3",
            "Tax Amount": "1.25",
        },
    },
)
PROMOTION = CommerceExample(
    {"promotion_action": {"action": "view", "promotions": [_PROMOTION]}},
    {
        "action": "promotion_view",
        "attributes": {"Promotions": [{"Id": "p", "Name": "n", "Creative": "c", "Position": "top"}]},
    },
)
IMPRESSION = CommerceExample(
    {"product_impressions": [{"product_impression_list": "Suggested", "products": [{"id": "SKU-1"}]}]},
    {
        "action": "impression",
        "attributes": {"Impressions": [{"product impression list": "Suggested", "Products": [{"id": "SKU-1"}]}]},
    },
)
TABLE = {**ACTIONS, "amounts": AMOUNTS, "promotion": PROMOTION, "impression": IMPRESSION}
"""Every example, by a name of it."""


def commerce_batch(customer: str, *examples: CommerceExample) -> dict[str, Any]:
    """A batch of one customer with these events, in the shape of webhook and Kafka output."""
    return {
        "user_identities": [{"identity_type": "customer_id", "identity": customer}],
        "mpid": -5,
        "events": [{"event_type": "commerce_event", "data": example.data} for example in examples],
    }
