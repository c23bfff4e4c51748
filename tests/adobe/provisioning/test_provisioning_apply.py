"""plan and apply against an emulated organisation: adopted, interrupted, lost answers, conflicts."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from setting_up import (
    ONE_OF_EACH,
    TENANT,
    Heard,
    Killed,
    LeftBehind,
    append,
    applied,
    changes,
    counted,
    kill_after,
    planned,
    put,
    remove,
    text_of,
    write_credentials,
)

from bridge.adobe import client as platform_client
from bridge.adobe.provisioning.applying import Conflict
from bridge.adobe.provisioning.steps import Action, Kind
from bridge.adobe.refusals import PlatformError
from bridge.emulators.adobe import Emulator
from bridge.model.errors import BridgeError, SettingsError
from bridge.routes.agreement import is_verified
from bridge.routes.mapping_opening import schema_of
from bridge.settings import load_settings


@pytest.fixture
async def adobe(tmp_path, monkeypatch):
    """An empty emulated organisation, and a folder with its credentials."""
    monkeypatch.chdir(tmp_path)
    async with Emulator(tenant=TENANT, sandboxes=("prod", "dev")) as emulator:
        write_credentials(tmp_path, emulator)
        yield emulator


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


@pytest.mark.parametrize("heard", [True, False], ids=["answer heard", "answer unheard"])
async def test_killed_after_any_request_it_is_completed_without_a_duplicate(adobe, monkeypatch, heard):
    """Every request in turn is the last of a run; the next run ends with one of each, and .env with the right ids."""
    start = text_of(".env")
    left = LeftBehind()
    count, died = 0, True
    while died:
        count += 1
        left.empty(adobe)
        put(".env", start)
        remove("aep-schema.json")
        with monkeypatch.context() as context:
            kill_after(context, count, heard=heard)
            try:
                await applied()
            except Killed:
                died = True
            else:
                died = False
        if not left.is_new(adobe):
            continue
        await applied()
        assert counted(adobe) == ONE_OF_EACH, f"killed after request {count}"
        assert (await planned()).plan.exit_code == 0
    assert count > len(ONE_OF_EACH) * 2
    assert left.times_new > len(ONE_OF_EACH)


_CREATING = [
    "/idnamespace/identities",
    "/tenant/fieldgroups",
    "/tenant/schemas",
    "/dataSets",
    "/connections",
    "/sourceConnections",
    "/targetConnections",
    "/flows",
]


@pytest.mark.parametrize("trouble", ["reset", "fail"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("path", _CREATING)
async def test_a_lost_answer_makes_no_duplicate(adobe, path, when, trouble):
    """The connection breaks, or the gateway answers 503, before or after the write took effect: looked for, then repeated if absent."""
    adobe.control(platform={trouble: {"method": "POST", "path": path, "when": when, "count": 1}})
    heard = Heard()
    await applied(heard=heard)
    assert counted(adobe) == ONE_OF_EACH
    assert sum(1 for word, _ in heard.said if word == "unsure") == 1
    assert (await planned()).plan.exit_code == 0


async def test_a_lost_answer_to_a_patch_is_looked_at(adobe):
    """The union tag, too: it is there after all, and is not sent again."""
    adobe.control(platform={"reset": {"method": "PATCH", "when": "after", "count": 1}})
    await applied()
    assert sum(1 for method, path, _ in changes(adobe) if method == "PATCH" and "/schemas/" in path) == 1


async def test_a_service_that_never_does_it_is_given_up(adobe):
    """A request that is lost each time is sent a few times and then told, not for ever."""
    adobe.control(platform={"reset": {"method": "POST", "path": "/dataSets", "when": "before", "count": 100}})
    with pytest.raises(BridgeError, match="dataset MoEngage Event Data: sent 4 times"):
        await applied()


async def test_busy_is_waited_out(adobe):
    """429 before anything happened is repeated, for reads and for writes."""
    adobe.control(platform={"fail": {"status": 429, "retry_after": 1, "count": 3, "when": "before"}})
    await planned()
    adobe.control(
        platform={"fail": {"status": 429, "method": "POST", "path": "/dataSets", "count": 2, "when": "before"}}
    )
    await applied()
    assert counted(adobe) == ONE_OF_EACH


async def _twice(adobe, path):
    """Make a second object of the kind, of the same name: the answer of the first is lost and the lists are blind meanwhile."""
    held = adobe.platform.sandboxes["prod"]
    store = held.datasets if path == "datasets" else held.flow_service[path]
    (identifier, document), *_ = store.items()
    other = "0" * len(identifier)
    store[other] = {**document, **({"id": other} if "id" in document else {})}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("datasets", Kind.DATASET),
        ("connections", Kind.ACCOUNT),
        ("sourceConnections", Kind.SOURCE),
        ("flows", Kind.DATAFLOW),
    ],
)
async def test_two_of_one_name_stop_it(adobe, path, kind):
    """It does not choose: nothing is sent, and both ids are named."""
    start = text_of(".env")
    await applied()
    put(".env", start)
    await _twice(adobe, path)
    sent = changes(adobe)
    outlook = await planned()
    (step,) = outlook.plan.conflicts
    assert step.kind is kind
    assert "there are 2" in step.todo
    with pytest.raises(Conflict, match="there are 2"):
        await applied()
    assert changes(adobe) == sent


async def test_ids_in_the_settings_decide_between_two(adobe):
    """What .env names by id is meant, whatever else has the same name."""
    await applied()
    for path in ("datasets", "connections", "flows"):
        await _twice(adobe, path)
    assert (await planned()).plan.exit_code == 0


async def test_ids_of_another_sandbox_are_a_conflict(adobe):
    """Settings that were written for prod do not make a second of everything in dev; they say which to unset."""
    await applied()
    text = text_of(".env").replace("SANDBOX=prod", "SANDBOX=dev")
    put(".env", text)
    plan = (await planned()).plan
    assert plan.exit_code == 1
    told = " ".join(step.todo for step in plan.conflicts)
    for name in ("BRIDGE_AEP__SCHEMA_ID", "BRIDGE_AEP__DATASET_ID", "BRIDGE_AEP__FLOW_ID"):
        assert name in told


async def test_a_hidden_dataflow_is_not_made_again(adobe):
    """A label hides it with a 404: a conflict, not a second dataflow."""
    await applied()
    adobe.control(platform={"hide_flows": [load_settings().aep.flow_id]})
    (step,) = (await planned()).plan.conflicts
    assert "label" in step.todo


async def test_a_missing_permission_is_named_before_anything_happens(adobe):
    """Each that a step of the plan needs, with where to click; what is only read needs no more than to view."""
    view = ["view-schemas", "view-identity-namespaces", "view-datasets", "view-sources"]
    adobe.control(platform={"permissions": [*view, "manage-schemas", "manage-sources"]})
    outlook = await planned()
    missing = [one for one in outlook.checks if one.ok is False]
    assert [one.words for one in missing] == ["Manage Identity Namespaces is missing", "Manage Datasets is missing"]
    assert all("Roles" in one.todo for one in missing)
    adobe.control(platform={"permissions": None})
    await applied()
    adobe.control(platform={"permissions": view})
    outlook = await planned()
    assert outlook.plan.exit_code == 0
    assert not outlook.is_refused


async def test_a_credential_without_sight_is_told_where_to_click(adobe):
    """403 on a read names the role."""
    adobe.control(platform={"permissions": []})
    with pytest.raises(PlatformError) as caught:
        await planned()
    assert "API credentials" in caught.value.hint


async def test_a_credential_without_product_profile_is_told_so(adobe):
    """403025 of the gateway is about the Developer Console."""
    adobe.control(platform={"entitled": False})
    with pytest.raises(PlatformError) as caught:
        await planned()
    assert "product profile" in caught.value.hint


async def test_who_may_not_ask_for_policies_is_not_stopped(adobe):
    """It cannot be told beforehand, and is no failure."""
    adobe.control(platform={"oddities": {"effective_policies": "administrators"}})
    outlook = await planned()
    assert [one.ok for one in outlook.checks] == [True, True, None]
    await applied()


@pytest.mark.parametrize("sandbox", ["elsewhere", "PROD"])
async def test_a_sandbox_out_of_reach_is_told_with_those_that_are_there(adobe, sandbox):
    """With the setting that names it."""
    append(f"BRIDGE_AEP__SANDBOX={sandbox}\n")
    with pytest.raises(BridgeError, match="it has: prod, dev") as caught:
        await planned()
    assert "BRIDGE_AEP__SANDBOX" in caught.value.hint


async def test_missing_credentials_are_named_all_at_once(adobe):
    """Without any, each variable with an example."""
    put(".env", "")
    with pytest.raises(SettingsError, match=r"ORG_ID(.|\n)*CLIENT_ID(.|\n)*CLIENT_SECRET"):
        await planned()


async def test_a_title_that_another_kind_holds_is_told(adobe):
    """Titles are unique over all kinds: the refusal of AEP comes with the setting to change."""
    append("BRIDGE_SETUP__SCHEMA_NAME=MoEngage Event Details\n")
    with pytest.raises(PlatformError, match="XDM-1521") as caught:
        await applied()
    assert "_NAME" in caught.value.hint


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


async def test_an_expired_token_is_renewed_on_the_way(adobe):
    """A token that AEP refuses is replaced once, and nothing is lost or doubled."""
    real, seen = platform_client.exchange, set()

    async def exchange(client, method, url, *args, **options):
        if method == "POST" and url not in seen:
            adobe.control(revoke_tokens=True)
            seen.add(url)
        return await real(client, method, url, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(platform_client, "exchange", exchange)
        await asyncio.wait_for(applied(), 60)
    assert counted(adobe) == ONE_OF_EACH


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
