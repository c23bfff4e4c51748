"""Settings of ``aep-bridge setup``: what the objects in AEP are called, with the names of MoEngage's guide as defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bridge.settings.section import Section

# Flow Service reads a comma in a filter as "any of", so that an object with one in its name could never be found again.
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^,\s]([^,]*[^,\s])?$")]


class SetupSettings(Section):
    """Names and choices of the objects that ``aep-bridge setup`` finds or creates; every one is found again by its name."""

    schema_name: Name = Field(
        "MoEngage Events",
        description="Title of the XDM schema that setup finds or creates.",
        examples=["MoEngage Events"],
    )
    field_group_name: Name = Field(
        "MoEngage Event Details",
        description="Title of the field group with the tenant's fields.",
        examples=["MoEngage Event Details"],
    )
    dataset_name: Name = Field(
        "MoEngage Event Data",
        description="Name of the dataset that takes the events.",
        examples=["MoEngage Event Data"],
    )
    account_name: Name = Field(
        "MoEngage Streams Connection",
        description="Name of the account (base connection) of the HTTP API source.",
        examples=["MoEngage Streams Connection"],
    )
    dataflow_name: Name = Field(
        "MoEngage Event Stream", description="Name of the dataflow.", examples=["MoEngage Event Stream"]
    )
    mapping_set_name: Name = Field(
        "MoEngage Event Mapping",
        description="Name of the Data Prep mapping set; used where AEP maps (payload raw).",
        examples=["MoEngage Event Mapping"],
    )
    profile: bool = Field(
        True,
        description="Enable schema and dataset for Profile, as MoEngage's guide does. A schema that is enabled stays so for"
        " ever; false leaves both out of Profile.",
        examples=["true"],
    )
    namespace_type: Literal["COOKIE", "CROSS_DEVICE", "DEVICE", "EMAIL", "MOBILE", "NON_PEOPLE", "PHONE"] = Field(
        "CROSS_DEVICE",
        description="Type of an identity namespace that setup has to create.",
        examples=["CROSS_DEVICE"],
    )
    destination_name: Name | None = Field(
        None,
        description="Name of the private destination of a route from Adobe, and of its server. Unset: MoEngage via bridge, with the"
        " route's name in brackets.",
        examples=["MoEngage via bridge"],
    )
    destination_instance_id: str | None = Field(
        None,
        description="Connection to the private destination that somebody has made in Adobe (the last part of the address of its"
        " page, and the destination instance id of its API call): setup verify has Adobe post through it.",
        examples=["49966037-32cd-4457-a105-2cbf9c01826a"],
    )
    warm_up_seconds: float = Field(
        300,
        ge=0,
        description="How long apply waits after it created or changed the dataflow, as AEP may lose records until then:"
        " five minutes at least; its mapping guide says up to ten.",
        examples=["300"],
    )
