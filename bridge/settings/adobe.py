"""Settings of Adobe as a source: whose profiles they are, and which of their audiences go on."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field, field_validator

from bridge.settings.section import Names, Section, split

ANONYMOUS_NAMESPACES: Final = frozenset(
    {
        "aaid",
        "adcloud",
        "anonymous_id",
        "anonymousid",
        "avid",
        "core",
        "ecid",
        "fpid",
        "gaid",
        "googleadid",
        "idfa",
        "idfv",
        "mcid",
        "rida",
        "tntid",
        "waid",
    }
)
"""Namespaces of browsers and devices, in lower case: Adobe's standard ones (AEP docs: identity/features/namespaces) and MoEngage's
``anonymous_id``."""


class AdobeSettings(Section):
    """Profiles and audiences of one Adobe organisation."""

    customer_id_namespace: str = Field(
        "user_id",
        min_length=1,
        description="Identity namespace whose id is MoEngage's customer id, compared without case. A profile without such an id"
        " becomes a dead letter; another id is never taken in its place.",
        examples=["crmId"],
    )
    audiences: Names = Field(
        (),
        description="Audiences that go on, by id or by name; others are left out. Empty: all that have a name, which are those"
        " that were activated for the destination.",
        examples=["VIP,11111111-aaaa-4bbb-8ccc-000000000001"],
    )
    several_ids: Literal["reject", "first", "each"] = Field(
        "reject",
        description="What becomes of a profile with several ids of that namespace: a dead letter, the first id's, or one event"
        " for each id.",
        examples=["reject"],
    )

    _names = field_validator("audiences", mode="before")(split)

    @field_validator("customer_id_namespace")
    @classmethod
    def _no_anonymous_ids(cls, namespace: str) -> str:
        namespace = namespace.strip()
        if not namespace:
            raise ValueError("expected the name of a namespace")
        if namespace.lower() in ANONYMOUS_NAMESPACES:
            raise ValueError(
                f"{namespace} holds anonymous ids, of which MoEngage would make a user for each browser and device:"
                " name the namespace of known customers"
            )
        return namespace
