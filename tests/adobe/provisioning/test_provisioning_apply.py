"""What is made at Adobe, and what is written into the folder? plan and apply against an emulated organisation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from setting_up import ONE_OF_EACH, TENANT, append, applied, changes, counted, planned, put, text_of

from bridge.adobe.provisioning.steps import Action, Kind
from bridge.routes.agreement import is_verified
from bridge.routes.mapping_opening import schema_of
from bridge.settings import load_settings


async def test_an_empty_sandbox_is_set_up_and_a_second_apply_changes_nothing(adobe):
    """Everything once; the ids in .env beside the old lines, the schema in its own file, and then nothing is left to do."""
    assert (await planned()).plan.exit_code == 3
    assert changes(adobe) == []
    written = await applied()
    assert [edit.path.name for edit in written] == ["aep-schema.json", ".env"]
    assert counted(adobe) == ONE_OF_EACH
    sent = changes(adobe)
    plan = (await planned()).plan
    assert plan.exit_code == 0
    assert {step.action for step in plan.steps} == {Action.EXISTS}
    assert await applied() == []
    assert changes(adobe) == sent
    text = text_of(".env")
    assert text.startswith("# what the Developer Console gives\n")
    settings = load_settings()
    assert settings.mapping.tenant == f"_{TENANT}"
    assert settings.mapping.schema_path == Path("aep-schema.json")
    assert settings.aep.endpoint.startswith(f"{adobe.url}/collection/")
    assert is_verified(schema_of(settings.mapping), f"_{TENANT}")


async def test_the_shipped_schema_stays_as_it_is(adobe):
    """The fetched schema never goes over a file that it was not fetched into."""
    before = json.dumps({"properties": {f"_{TENANT}": {"properties": {"eventName": {"type": "string"}}}}})
    put("mine.json", before)
    append("BRIDGE_MAPPING__SCHEMA=mine.json\n")
    await applied()
    assert text_of("mine.json") == before
    assert load_settings().mapping.schema_path == Path("aep-schema.json")


async def test_in_a_folder_of_mapping_sets_the_schema_is_put_there(adobe, tmp_path):
    """Containers are given that folder and not the one above it; the setting names the file as it is found from here."""
    (tmp_path / "mappings").mkdir()
    await applied()
    assert load_settings().mapping.schema_path == Path("mappings/aep-schema.json")
    assert (await planned()).plan.exit_code == 0


async def test_a_field_added_to_the_file_is_added_to_the_schema(adobe):
    """The fetched file is the desired state from then on: what is written into it by hand is a change, told as irreversible."""
    await applied()
    document = json.loads(text_of("aep-schema.json"))
    document["properties"][f"_{TENANT}"]["properties"]["orderValue"] = {"type": "number"}
    put("aep-schema.json", json.dumps(document))
    plan = (await planned()).plan
    (step,) = [one for one in plan.open if one.kind is Kind.FIELD_GROUP]
    assert [change.path for change in step.changes] == [f"_{TENANT}.orderValue"]
    assert step.irreversible
    await applied()
    assert (await planned()).plan.exit_code == 0
    fetched = json.loads(text_of("aep-schema.json"))
    assert fetched["properties"][f"_{TENANT}"]["properties"]["orderValue"]["type"] == "number"


@pytest.mark.parametrize(
    "oddity",
    [
        {"target_filter": "ignored"},
        {"dataset_names": "unique", "connection_names": "unique", "flow_names": "unique"},
        {"registry_if_match": "checked"},
        {"mapping_version_type": "string"},
        {"sandbox_header": "required"},
        {"id_type_case": "as_sent"},
        {"registry_paging": "plain"},
        {"retry_after": "missing"},
    ],
    ids=lambda one: next(iter(one)),
)
async def test_either_reading_of_the_documents_will_do(adobe, oddity):
    """What Adobe leaves open is open here, too."""
    adobe.control(platform={"oddities": oddity})
    await applied()
    assert counted(adobe) == ONE_OF_EACH
    assert (await planned()).plan.exit_code == 0


async def test_without_authentication_the_inlet_takes_anybody(adobe):
    """The guide's other method: the account is made without, while the platform APIs still need the credential."""
    append("BRIDGE_AEP__AUTH=none\n")
    await applied()
    (connection,) = adobe.platform.sandboxes["prod"].flow_service["connections"].values()
    assert not connection["auth"]["params"].get("authenticationRequired")
    assert (await planned()).plan.exit_code == 0


async def test_without_profile_nothing_irreversible_is_left_but_namespaces(adobe):
    """BRIDGE_SETUP__PROFILE=false leaves schema and dataset out of Profile."""
    append("BRIDGE_SETUP__PROFILE=false\n")
    assert {step.kind for step in (await planned()).plan.irreversible} == {Kind.NAMESPACE}
    await applied()
    (dataset,) = adobe.platform.sandboxes["prod"].datasets.values()
    assert "unifiedProfile" not in dataset["tags"]
    assert (await planned()).plan.exit_code == 0


async def test_two_routes_keep_apart(adobe, tmp_path):
    """Each route in its sandbox, its ids in its own section, its schema in its own file."""
    put("bridge.toml", '[routes.eu]\n[routes.eu.aep]\nsandbox = "dev"\n\n[routes.us]\n')
    await applied("eu")
    await applied("us")
    assert counted(adobe, "dev")["flows"] == counted(adobe, "prod")["flows"] == 1
    assert (await planned("eu")).plan.exit_code == (await planned("us")).plan.exit_code == 0
    text = text_of("bridge.toml")
    assert "aep-schema.eu.json" in text
    assert "aep-schema.us.json" in text
    assert text.count("endpoint") == 2


async def test_two_routes_in_one_sandbox_are_kept_apart_by_names(adobe):
    """One schema for both, and a dataset, an account and a dataflow for each: the second adopts what has its names."""
    put(
        "bridge.toml",
        '[routes.eu]\n\n[routes.us.setup]\ndataset_name = "US events"\naccount_name = "US account"\ndataflow_name = "US flow"\n',
    )
    await applied("eu")
    await applied("us")
    counts = counted(adobe)
    assert counts == {**dict.fromkeys(counts, 2), "fieldgroups": 1, "schemas": 1}
    for name in ("eu", "us"):
        assert (await planned(name)).plan.exit_code == 0


async def test_a_plan_of_the_adopted_keeps_hand_made_names(adobe):
    """A dataflow that the settings name by id is adopted under its own name."""
    await applied()
    held = adobe.platform.sandboxes["prod"]
    for document in held.flow_service["flows"].values():
        document["name"] = "Made by hand"
    outlook = await planned()
    assert outlook.plan.exit_code == 0
    assert replace(outlook.desired) == outlook.desired
    assert any(step.name == "Made by hand" for step in outlook.plan.steps)
