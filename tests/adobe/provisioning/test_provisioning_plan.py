"""Desired state against what is there: the steps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.adobe.provisioning.desired import Desired, Known, MappingRow, Named, Namespace
from bridge.adobe.provisioning.observed import (
    Account,
    Dataflow,
    Dataset,
    FieldGroup,
    FoundNamespace,
    Link,
    MappingSet,
    Observed,
    Schema,
)
from bridge.adobe.provisioning.planning import make_plan
from bridge.adobe.provisioning.rendering import as_json, lines, summary
from bridge.adobe.provisioning.steps import Action, Kind

FIELDS = {"eventName": {"type": "string"}, "campaign": {"type": "object", "properties": {"id": {"type": "string"}}}}
ROWS = (
    MappingRow("ATTRIBUTE", "event_name", "{tenant}.eventName"),
    MappingRow("STATIC", "true", "identityMap.crm[0].primary"),
)
DESIRED = Desired(
    sandbox="prod",
    tenant="",
    namespaces=(Namespace("Email", "Email", "EMAIL", ""), Namespace("crm", "crm", "CROSS_DEVICE", "")),
    fields=FIELDS,
    standard_groups=(),
    field_group=Named("Group", ""),
    schema=Named("Schema", ""),
    dataset=Named("Dataset", ""),
    account=Named("Account", ""),
    dataflow=Named("Flow", ""),
    mapping_set=Named("Mapping", ""),
    profile=True,
    payload="xdm",
    authenticated=True,
    rows=ROWS,
)
EMPTY = Observed("_acme", namespaces=(FoundNamespace("Email", "6", is_custom=False, id_type="EMAIL"),))
GROUP = FieldGroup("g", "Group", FIELDS, ("definitions", "customFields", "properties", "_acme"))
SCHEMA = Schema("s", "Schema", is_of_events=True, references=("g",), in_profile=True, fields=FIELDS, document={})
FLOW = Dataflow("f", "Flow", "enabled", ("sc",), ("tc",), "", 0, -1, "etag", 0)
WHOLE = replace(
    EMPTY,
    namespaces=(*EMPTY.namespaces, FoundNamespace("CRM", "9", is_custom=True, id_type="CROSS_DEVICE")),
    field_groups=(GROUP,),
    schemas=(SCHEMA,),
    datasets=(Dataset("d", "Dataset", "s", in_profile=True),),
    accounts=(Account("a", "Account", "xdm", authenticated=True, endpoint="https://x/collection/y"),),
    sources=(Link("sc", "Account", "a"),),
    targets=(Link("tc", "Dataset", "d"),),
    dataflows=(FLOW,),
)
RAW = replace(DESIRED, payload="raw")
MAPPED = MappingSet("m", "Mapping", 2, "s", tuple(row.within("_acme") for row in ROWS))
WHOLE_RAW = replace(
    WHOLE,
    accounts=(replace(WHOLE.accounts[0], payload="raw"),),
    mapping_sets=(MAPPED,),
    dataflows=(replace(FLOW, mapping_id="m", mapping_version=2, mapping_place=0),),
)


def _of(plan, kind):
    return next(step for step in plan.steps if step.kind is kind)


@pytest.mark.parametrize(("desired", "kinds"), [(DESIRED, 9), (RAW, 10)])
def test_an_empty_sandbox_gets_everything_in_order(desired, kinds):
    """Each kind once, in the order of creation, and only the first of each dependency can be sent already."""
    plan = make_plan(desired, EMPTY)
    created = [step.kind for step in plan.steps if step.action is Action.CREATE]
    assert created == sorted(created, key=[*Kind].index)
    assert len(created) == kinds
    assert [step.kind for step in plan.open if step.write is not None] == [
        Kind.NAMESPACE,
        Kind.FIELD_GROUP,
        Kind.ACCOUNT,
    ]
    assert [step.kind for step in plan.irreversible] == [Kind.NAMESPACE, Kind.PROFILE]
    assert plan.exit_code == 3


@pytest.mark.parametrize(("desired", "observed"), [(DESIRED, WHOLE), (RAW, WHOLE_RAW)])
def test_what_is_there_is_adopted(desired, observed):
    """Nothing is to be done; a namespace's symbol is compared without case."""
    plan = make_plan(desired, observed)
    assert plan.exit_code == 0
    assert {step.action for step in plan.steps} == {Action.EXISTS}


@pytest.mark.parametrize(
    ("kind", "changes", "wanted"),
    [
        (
            Kind.FIELD_GROUP,
            {"field_groups": (GROUP, replace(GROUP, identifier="g2"))},
            "BRIDGE_SETUP__FIELD_GROUP_NAME",
        ),
        (Kind.SCHEMA, {"schemas": (SCHEMA, replace(SCHEMA, identifier="s2"))}, "BRIDGE_SETUP__SCHEMA_NAME"),
        (Kind.DATASET, {"datasets": WHOLE.datasets * 2}, "BRIDGE_SETUP__DATASET_NAME"),
        (Kind.ACCOUNT, {"accounts": WHOLE.accounts * 2}, "BRIDGE_SETUP__ACCOUNT_NAME"),
        (Kind.SOURCE, {"sources": WHOLE.sources * 2}, "BRIDGE_AEP__FLOW_ID"),
        (Kind.TARGET, {"targets": WHOLE.targets * 2}, "BRIDGE_AEP__FLOW_ID"),
        (Kind.DATAFLOW, {"dataflows": WHOLE.dataflows * 2}, "BRIDGE_AEP__FLOW_ID"),
        (Kind.SCHEMA, {"schemas": (replace(SCHEMA, is_of_events=False),)}, "ExperienceEvent"),
        (Kind.DATASET, {"datasets": (replace(WHOLE.datasets[0], schema_id="other"),)}, "another schema"),
        (Kind.ACCOUNT, {"accounts": (replace(WHOLE.accounts[0], payload="raw"),)}, "BRIDGE_AEP__PAYLOAD"),
        (Kind.ACCOUNT, {"accounts": (replace(WHOLE.accounts[0], authenticated=False),)}, "BRIDGE_AEP__AUTH"),
        (Kind.DATAFLOW, {"dataflows": (replace(FLOW, targets=("elsewhere",)),)}, "another dataset"),
        (Kind.DATAFLOW, {"dataflows": (replace(FLOW, mapping_place=0),)}, "BRIDGE_AEP__PAYLOAD"),
        (Kind.DATAFLOW, {"dataflows": (replace(FLOW, state="draft"),)}, "draft"),
        (Kind.SCHEMA, {"schemas": (), "not_found": ("aep.schema_id",)}, "BRIDGE_AEP__SCHEMA_ID"),
        (Kind.DATASET, {"datasets": (), "not_found": ("aep.dataset_id",)}, "BRIDGE_AEP__DATASET_ID"),
        (Kind.DATAFLOW, {"dataflows": (), "not_found": ("aep.flow_id",)}, "BRIDGE_AEP__FLOW_ID"),
        (
            Kind.FIELD_GROUP,
            {"field_groups": (replace(GROUP, fields={"eventName": {"type": "integer"}}),), "schemas": ()},
            "another name",
        ),
    ],
)
def test_a_conflict_says_what_to_do(kind, changes, wanted):
    """What a tool must not decide for itself, each with the setting or the click that resolves it."""
    plan = make_plan(DESIRED, replace(WHOLE, **changes))
    step = _of(plan, kind)
    assert step.action is Action.CONFLICT
    assert wanted in step.todo
    assert plan.exit_code == 1


def test_another_tenant_is_told_before_anything_else():
    """The settings' tenant is not the organisation's: nothing else is planned."""
    (step,) = make_plan(replace(DESIRED, tenant="_other"), WHOLE).steps
    assert step.action is Action.CONFLICT
    assert "BRIDGE_MAPPING__TENANT=_acme" in step.todo


def test_a_standard_namespace_is_never_created():
    """A sandbox whose list lacks Email: somebody has to look, as nobody can create it."""
    step = _of(make_plan(DESIRED, replace(EMPTY, namespaces=())), Kind.NAMESPACE)
    assert step.action is Action.CONFLICT


def test_a_new_field_is_added_where_its_object_stands():
    """Only what is missing, at the deepest place that is there; irreversible once a dataset uses the schema."""
    fields = {**FIELDS, "campaign": {"type": "object", "properties": {"id": {"type": "string"}, "tag": {"type": "string"}}},
              "new": {"type": "object", "properties": {"x": {"type": "string"}, "y": {"type": "string"}}}}  # fmt: skip
    step = _of(make_plan(replace(DESIRED, fields=fields), WHOLE), Kind.FIELD_GROUP)
    assert step.action is Action.CHANGE
    assert "never be removed" in step.irreversible
    base = "/definitions/customFields/properties/_acme/properties"
    assert [(one["path"], one["value"]) for one in step.write.operations] == [
        (f"{base}/campaign/properties/tag", {"type": "string"}),
        (f"{base}/new", fields["new"]),
    ]


def test_fields_of_other_groups_count():
    """A schema that has the fields from a group of another name needs no group of ours."""
    plan = make_plan(DESIRED, replace(WHOLE, field_groups=(), schemas=(replace(SCHEMA, references=("theirs",)),)))
    assert plan.exit_code == 0
    assert "from other field groups" in _of(plan, Kind.FIELD_GROUP).note


def test_a_group_that_is_not_in_the_schema_is_put_into_it():
    """Interrupted between the two: the group exists, the schema does not extend it."""
    plan = make_plan(DESIRED, replace(WHOLE, schemas=(replace(SCHEMA, references=(), fields={}),)))
    (step,) = plan.open
    assert step.kind is Kind.SCHEMA
    assert step.write.operations == ({"op": "add", "path": "/allOf/-", "value": {"$ref": "g"}},)


def test_profile_is_a_choice():
    """Without it neither schema nor dataset is enabled; with it both are, the schema first."""
    out = replace(
        WHOLE, schemas=(replace(SCHEMA, in_profile=False),), datasets=(Dataset("d", "Dataset", "s", in_profile=False),)
    )
    assert make_plan(replace(DESIRED, profile=False), out).exit_code == 0
    plan = make_plan(DESIRED, out)
    assert [(step.kind, step.write is not None) for step in plan.open] == [(Kind.PROFILE, True), (Kind.DATASET, False)]
    plan = make_plan(DESIRED, replace(out, schemas=(SCHEMA,)))
    assert [(step.kind, step.write is not None) for step in plan.open] == [(Kind.DATASET, True)]


def test_a_changed_mapping_set_becomes_a_new_version_and_the_dataflow_takes_it():
    """Drift between file and AEP is told row by row; a dataflow pinned to an older version is moved."""
    rows = (*MAPPED.rows[:1], MappingRow("EXPRESSION", "upper(x)", "_acme.extra"))
    plan = make_plan(RAW, replace(WHOLE_RAW, mapping_sets=(replace(MAPPED, rows=rows),)))
    step = _of(plan, Kind.MAPPING_SET)
    assert [(one.path, one.old, one.new) for one in step.changes] == [
        ("identityMap.crm[0].primary", "", "STATIC true"),
        ("_acme.extra", "EXPRESSION upper(x)", ""),
    ]
    plan = make_plan(RAW, replace(WHOLE_RAW, mapping_sets=(replace(MAPPED, version=3),)))
    (step,) = plan.open
    assert step.kind is Kind.DATAFLOW
    assert step.write.operations[0]["path"] == "/transformations/0"
    assert step.write.operations[0]["value"]["params"] == {"mappingId": "m", "mappingVersion": 3}


def test_rows_that_adobe_refuses_are_a_conflict():
    """Named by their destination, before anything is stored."""
    step = _of(make_plan(RAW, replace(WHOLE_RAW, refused_rows=((1, "no such function"),))), Kind.MAPPING_SET)
    assert step.action is Action.CONFLICT
    assert step.changes[0].path == "identityMap.crm[0].primary"


def test_a_disabled_dataflow_is_enabled():
    """It would take events and drop them."""
    (step,) = make_plan(DESIRED, replace(WHOLE, dataflows=(replace(FLOW, state="disabled"),))).open
    assert step.kind is Kind.DATAFLOW


def test_ids_of_the_settings_are_not_sent():
    """Nothing is created under an id of somebody's."""
    desired = replace(DESIRED, known=Known("s", "d", "f"))
    assert make_plan(desired, WHOLE).exit_code == 0


def test_a_plan_reads_as_text_and_as_json():
    """Marks, the words for what can never be undone, counts; JSON says the same."""
    plan = make_plan(DESIRED, EMPTY)
    text = "\n".join(line for _, line in lines(plan))
    assert "= identity namespace Email (6) adopted" in text
    assert "+ field group        Group" in text
    assert "    _acme.eventName: string" in text
    assert "can never be undone: a namespace" in text
    assert summary(plan) == "9 to create, 0 to change, 1 as wanted, 0 in conflict; 2 can never be undone"
    told = as_json(plan, [])
    assert told["to_do"] == 9
    assert told["exit"] == 3
    assert told["steps"][1] == {
        "kind": "identity namespace", "name": "crm", "action": "create",
        "changes": [{"path": "idType", "old": None, "new": "CROSS_DEVICE"}],
        "irreversible": "a namespace can never be deleted, and its symbol never be used again",
    }  # fmt: skip
