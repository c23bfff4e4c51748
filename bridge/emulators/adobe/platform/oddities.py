"""How the emulated platform behaves where Adobe's documents say nothing, or say two things: every reading has a name.

``POST /control {"platform": {"oddities": {"dataset_names": "unique"}}}`` or ``--oddity dataset_names=unique``. The default is
the reading that a client must be able to live with; a test of a client should pass under both.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Names = Literal["free", "unique"]


class Oddities(BaseModel):
    """Readings of what is undocumented, deduced or contradictory."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    sandbox_header: Literal["optional", "required"] = Field(
        "optional", description="A call without x-sandbox-name: the default sandbox, or refused."
    )
    dataset_names: Names = Field("free", description="Whether two datasets may have one name.")
    connection_names: Names = Field("free", description="Whether two base connections may have one name.")
    flow_names: Names = Field("free", description="Whether two dataflows may have one name.")
    mapping_set_names: Names = Field("free", description="Whether two mapping sets may have one name.")
    source_ids: Names = Field("unique", description="Whether two base connections may have one sourceId.")
    descriptors: Names = Field("free", description="Whether one descriptor may be created twice.")
    namespace_codes: Literal["any", "alphanumeric"] = Field(
        "any", description="Characters of a namespace code: also underscores, or letters and digits only."
    )
    id_type_case: Literal["upper", "as_sent"] = Field("upper", description="Case of idType in answers.")
    registry_paging: Literal["needs_orderby", "plain"] = Field(
        "needs_orderby", description="A registry list with start but without orderby: empty, or paged all the same."
    )
    registry_if_match: Literal["ignored", "checked"] = Field(
        "ignored", description="If-Match on a registry PATCH or PUT: last writer wins, or 412 when it is stale."
    )
    wrong_accept: Literal["problem", "not_acceptable"] = Field(
        "problem", description="A wrong Accept at the registry: XDM-1006-400, or 406 as older deployments."
    )
    descriptor_filter: Literal["works", "ignored"] = Field(
        "works", description="property=xdm:sourceSchema==… on descriptors: filters, or gives everything."
    )
    descriptor_put: Literal[200, 201] = Field(201, description="Status of a descriptor's PUT.")
    evolution_locks: Literal["dataset", "ingestion"] = Field(
        "dataset", description="From when on a schema takes additive changes only: its first dataset, or first data."
    )
    breaking_change_code: str = Field(
        "XDM-1530-400", pattern=r"^XDM-\d{4}-\d{3}$", description="Code of a refused breaking change (made up)."
    )
    dataset_without_union: str = Field(
        "CATALOG-1400-400", description="Code of a profile tag on a schema without union tag (made up)."
    )
    target_filter: Literal["works", "ignored"] = Field(
        "works", description="property=params.dataSetId==… on target connections: filters, or gives everything."
    )
    connection_patch: Literal["refused", "allowed"] = Field(
        "refused", description="A PATCH of dataType or authenticationRequired of a base connection."
    )
    flow_op_case: Literal["any", "lower", "upper"] = Field("any", description="Case of op in /flows/{id}/action.")
    mapping_version_type: Literal["integer", "string"] = Field(
        "integer", description="mappingVersion in the answers of Flow Service."
    )
    mapping_list_start: Literal["required", "optional"] = Field(
        "required",
        description="start of a list of mapping sets: required as documented, or not, as Adobe's client has it.",
    )
    mapping_page_count: Literal["zero", "right"] = Field(
        "zero", description="_page.count of the list of mapping sets; Adobe's sample shows 0 beside two rows."
    )
    mapping_delete: Literal["allowed", "missing"] = Field("allowed", description="DELETE of a mapping set.")
    preview_shape: Literal["array", "object"] = Field("array", description="Answer of mappingSets/preview.")
    expression_answer: Literal["words", "boolean"] = Field(
        "words", description="Answer of languages/el/validate: words as in the docs, or a boolean as in OpenAPI."
    )
    effective_policies: Literal["open", "administrators"] = Field(
        "open", description="Whether a technical account may ask for its policies, or gets 403."
    )
    profile_lookup: Literal["forbidden", "allowed"] = Field(
        "forbidden", description="Profile's entities API: 403 without Real-Time CDP Ultimate, or an answer."
    )
    failed_records: Literal["mixed", "codes", "violations", "list", "text", "escaped", "corrupt"] = Field(
        "mixed", description="Form of _errors in failed records; mixed goes through all of them."
    )
    batch_metrics: Literal["documented", "lake", "streaming", "none"] = Field(
        "documented", description="Names of a batch's counts; none: only its status."
    )
    batch_status: Literal["failed", "failure"] = Field("failed", description="Status of a batch that failed.")
    partial_batches: Literal["mixed", "always", "never"] = Field(
        "mixed",
        description="Failed records in a batch of their own, or beside good ones in a batch with status success.",
    )
    compaction: Literal["off", "on"] = Field(
        "off", description="Whether every third success batch is replaced by one (acp_successor)."
    )
    run_status: Literal["lower", "title"] = Field("lower", description="Case of the status of flow runs.")
    inlet_metric_filter: str = Field("inletId", description="Filter key of the inlet's metrics.")
    retry_after: Literal["header", "missing"] = Field("header", description="Retry-After beside a 429 of the gateway.")

    authoring_read: Literal["object", "items"] = Field(
        "object", description="A read of one destination or server: the object, or a list of it as in Adobe's sample."
    )
    authoring_secrets: Literal["shown", "masked"] = Field(
        "shown", description="clientSecret of a destination in answers."
    )
    template_escaping: Literal["quotes", "text"] = Field(
        "quotes", description="What templates escape when they print: also quotation marks, or only & < >."
    )

    def changed(self, values: dict[str, object]) -> Oddities:
        """The same with the named values; raises pydantic's ``ValidationError``."""
        return Oddities.model_validate(self.model_dump() | values)

    def change(self, values: dict[str, object]) -> None:
        """Take over the named values; raises pydantic's ``ValidationError``."""
        checked = self.changed(values)
        for name in values:
            setattr(self, name, getattr(checked, name))
