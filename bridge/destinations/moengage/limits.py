"""What MoEngage's documents say of names, values and sizes: the constants behind every check.

Sources: MoEngage docs: Data Overview (customer ids, dates, reserved keys, standard attributes), Data Tracking Policies (lengths,
counts, lists), Support for Object Data Type, Unset User Attributes, and the Data OpenAPI description (bulk, devices, arrays).
"""

from __future__ import annotations

from typing import Final

BULK_BYTES: Final = 100_000
"""Most bytes of a bulk request's body."""
SINGLE_BYTES: Final = 128_000
"""Most bytes of any other request's body."""
NAME_CHARACTERS: Final = 200
VALUE_CHARACTERS: Final = 512
LIST_ITEMS: Final = 50
EVENT_ATTRIBUTES: Final = 100
USER_ATTRIBUTES: Final = 256
EVENT_NAMES: Final = 512
OBJECT_BYTES: Final = 25_000
OBJECT_KEYS: Final = 100
OBJECT_ITEMS: Final = 100
OBJECT_LEVELS: Final = 2
OBJECTS_OF_A_USER: Final = 10
OBJECTS_OF_AN_EVENT: Final = 5
OBJECT_KEY_FORBIDS: Final = "$.%#"
OFFSET_SECONDS: Final = 54_000
"""``user_timezone_offset`` lies between minus and plus this many seconds."""

REFUSED_IDS: Final = frozenset(
    {
        "",
        "unknown",
        "guest",
        "null",
        "0",
        "1",
        "2",
        "-1",
        "-2",
        "true",
        "false",
        "user_attribute_unique_id",
        "(empty)",
        "na",
        "n/a",
        '""',
        "dummy_seller_code",
        "user_id",
        "id",
        "customer_id",
        "uid",
        "userid",
        "none",
    }
)
"""Customer ids that MoEngage takes for nobody's; compared without case, as two spellings of them are nobody's either."""

BLOCKED_NAMES: Final = frozenset({"", "id", "_id"})
RESERVED_USER_NAMES: Final = frozenset({"INSTALL", "UPDATE", "status", "user_id", "source"})
RESERVED_USER_PREFIXES: Final = ("USER_ATTRIBUTE_", "MOE_")
OWN_PREFIX: Final = "moe_"

DOCUMENTED_USER_NAMES: Final = frozenset(
    {
        "moe_mobile",
        "moe_unsubscribe",
        "moe_wa_subscription",
        "moe_sms_subscription",
        "moe_email_optin_status",
        "moe_em_unsub_categories",
        "moe_spam",
        "moe_hard_bounce",
        "moe_sub_w",
        "moe_mweb",
        "moe_gaid",
    }
)
"""Names of MoEngage's own prefix that its documents let others write."""
PROJECT_NAME: Final = "moe_project_name"
DOCUMENTED_EVENT_NAMES: Final = frozenset({PROJECT_NAME})

NOT_UPDATED: Final = frozenset(
    {
        "city",
        "state",
        "country",
        "publisher_name",
        "campaign_name",
        "t_rev",
        "t_trans",
        "u_s_c",
        "locale_language_display",
        "locale_country_display",
        "uninstall_time",
        "installed",
    }
)
"""Standard attributes that the SDK owns: at most set when the user is created, never updated by the API."""

ADD: Final = "addValueToArrayField"
REMOVE: Final = "removeValueFromArrayField"
EDITS: Final = (ADD, REMOVE)
UNSET_KINDS: Final = frozenset({"equals", "prefix", "suffix", "contains"})

PLATFORMS: Final = frozenset({"android", "ios", "web", "tv", "unknown"})
"""Of an action; compared without case."""
DEVICE_PLATFORMS: Final = frozenset({"android", "ios", "web", "tv"})
DEVICE_ATTRIBUTES: Final = frozenset(
    {
        "platform",
        "push_id",
        "model",
        "moe_push_opted",
        "app_version",
        "os_version",
        "moe_gaid",
        "idfv",
    }
)
"""All others are dropped."""

CUSTOMER_KEYS: Final = frozenset({"customer_id", "attributes", "update_existing_only", "unset_attributes"})
EVENT_KEYS: Final = frozenset({"customer_id", "device_id", "actions", "user_identifiers"})
DEVICE_KEYS: Final = frozenset({"customer_id", "device_id", "attributes"})
ACTION_KEYS: Final = frozenset(
    {
        "action",
        "attributes",
        "platform",
        "moe_os_type",
        "app_version",
        "user_time",
        "current_time",
        "user_timezone_offset",
    }
)
KEYS: Final = {"customer": CUSTOMER_KEYS, "event": EVENT_KEYS, "device": DEVICE_KEYS}
