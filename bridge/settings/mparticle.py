"""Settings of mParticle as a source: whose events they are, which of them go on, and what consent that needs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from bridge.settings.section import Names, Section, split

EVENT_TYPES = (
    "commerce_event",
    "custom_event",
    "screen_view",
    "user_attribute_change",
    "user_identity_change",
    "push_registration",
)
"""What mParticle's page of MoEngage lists as supported; another page of MoEngage's contradicts it, so it can be set."""


class MParticleSettings(Section):
    """Batches of one mParticle workspace."""

    identity: Literal["customer_id", "email", "mpid"] = Field(
        "customer_id",
        description="Identity that is MoEngage's customer id. A batch without it becomes dead letters; another is never taken"
        " in its place.",
        examples=["customer_id"],
    )
    event_types: Names = Field(
        EVENT_TYPES,
        description="Event types that go on, as mParticle names them; others are left out and counted. Empty: all.",
        examples=["commerce_event,custom_event"],
    )
    deletions: Literal["clear", "unset", "keep"] = Field(
        "clear",
        description="What a deleted user attribute becomes: an empty text, an entry of unset_attributes (early access in"
        " MoEngage: ask whether the workspace has it), or nothing.",
        examples=["clear"],
    )
    consent_purposes: Names = Field(
        (),
        description="GDPR purposes that a user must have consented to; without it nothing of the batch reaches Kafka, and it is"
        " counted. Empty: no consent is asked for.",
        examples=["marketing"],
    )
    respect_ccpa: bool = Field(
        False,
        description="Leave out batches of users who opted out of the sale of their data (CCPA).",
        examples=["true"],
    )

    _names = field_validator("event_types", "consent_purposes", mode="before")(split)
