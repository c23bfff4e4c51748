"""handover: everything that MoEngage asks for, in three forms, and no secret unless it is wanted."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from setting_up import ROOT, put
from typer.testing import CliRunner

from bridge.adobe.provisioning.fields import fields_of
from bridge.adobe.provisioning.sample import sample_event, value_of
from bridge.cli.main import app
from bridge.mapping.sets.table import read_mapping_set
from bridge.xdm.schema.compiled_schema import compile_schema, load_schema

SECRETS = ("p8e-very-own", "s3cret-of-the-receiver")
SETTINGS = f"""\
BRIDGE_MAPPING__PATH={ROOT}/mappings/moengage_events.csv
BRIDGE_MAPPING__TENANT=_acme
BRIDGE_AEP__ENDPOINT=https://dcs.adobedc.net/collection/abc
BRIDGE_AEP__ORG_ID=A1@AdobeOrg
BRIDGE_AEP__SCHEMA_ID=https://ns.adobe.com/acme/schemas/1
BRIDGE_AEP__DATASET_ID=d1
BRIDGE_AEP__FLOW_ID=f1
BRIDGE_AEP__SANDBOX=prod
BRIDGE_OAUTH__CLIENT_ID=c1
BRIDGE_OAUTH__CLIENT_SECRET={SECRETS[0]}
BRIDGE_OAUTH__TECHNICAL_ACCOUNT_ID=t1@techacct.adobe.com
BRIDGE_RECEIVER__AUTH=basic
BRIDGE_RECEIVER__USERNAME=moengage
BRIDGE_RECEIVER__PASSWORD={SECRETS[1]}
"""


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch):
    """A working directory with complete settings."""
    monkeypatch.chdir(tmp_path)
    put(".env", SETTINGS)


def printed(*options):
    """What the command prints."""
    done = CliRunner().invoke(app, ["setup", "handover", *options])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_every_item_of_the_guides_tables_is_there():
    """Information to share, OAuth credentials, and what the bridge's own endpoint needs."""
    told = json.loads(printed("--json", "--show-secrets"))
    assert told["bridge"]["endpoint"] == "https://YOUR-HOST/moengage/streams"
    assert (told["bridge"]["username"], told["bridge"]["password"]) == ("moengage", SECRETS[1])
    assert told["identities"] == {
        "primary_namespace": "lumaCrmId", "secondary_namespaces": "Email, Phone, ECID",
        "moengage_namespace": "moengageUserId", "primary_attribute": "identities.externalId (MoEngage: uid, the customer id)",
    }  # fmt: skip
    direct = told["direct"]
    assert direct["endpoint"] == "https://dcs.adobedc.net/collection/abc"
    assert direct["tenant"] == "_acme"
    assert direct["authentication"] == "OAuth 2.0"
    assert direct["schema"]["title"] == "MoEngage events"
    assert direct["test_payload"]["event_code"] == "MOE_EMAIL_SENT"
    rows = read_mapping_set(direct["mapping_csv"].encode()).rows
    assert "_acme.eventName" in {row.destination for row in rows}
    assert told["oauth"] == {
        "client_id": "c1", "client_secret": SECRETS[0], "organization_id": "A1@AdobeOrg",
        "technical_account_id": "t1@techacct.adobe.com",
        "scopes": "openid, AdobeID, read_organizations, additional_info.projectedProductContext, session",
        "token_endpoint": "https://ims-na1.adobelogin.com/ims/token/v3",
    }  # fmt: skip


@pytest.mark.parametrize("form", [[], ["--markdown"], ["--json"]], ids=["text", "markdown", "json"])
def test_secrets_are_masked_unless_wanted(form):
    """In every form; what is no secret is shown."""
    masked, shown = printed(*form), printed(*form, "--show-secrets")
    for secret in SECRETS:
        assert secret not in masked
        assert secret in shown
    assert "t1@techacct.adobe.com" in masked


def test_the_document_holds_what_is_long():
    """Schema, payloads and mapping stand whole in blocks of their own, and every table has its columns."""
    text = printed("--markdown")
    blocks = re.findall(r"^(`{3,})(json|csv)\n(.*?)^\1$", text, flags=re.MULTILINE | re.DOTALL)
    assert [kind for _, kind, _ in blocks] == ["json", "json", "json", "csv"]
    for _, kind, body in blocks:
        assert json.loads(body) if kind == "json" else len([*csv.reader(io.StringIO(body))]) > 20
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {4}


def test_what_is_not_set_is_said():
    """Nothing is invented for a route that is not set up: null for a program, words for a person."""
    put(".env", f"BRIDGE_MAPPING__PATH={ROOT}/mappings/moengage_events.csv\nBRIDGE_AEP__AUTH=none\n")
    told = json.loads(printed("--json"))
    assert told["direct"]["endpoint"] is None
    assert told["direct"]["tenant"] is None
    assert told["direct"]["authentication"] == "No Auth"
    assert "oauth" not in told
    assert "not set" in printed()


def test_examples_are_not_handed_over():
    """A .env that still holds what .env.example shows has nothing of Adobe's to tell."""
    put(
        ".env",
        (ROOT / ".env.example").read_text(encoding="utf-8")
        + f"BRIDGE_MAPPING__PATH={ROOT}/mappings/moengage_events.csv\n",
    )
    told = json.loads(printed("--json"))
    assert told["direct"]["endpoint"] is None
    assert told["oauth"]["organization_id"] is None


def test_two_forms_at_once_are_a_mistake():
    """--json and --markdown exclude each other: exit 2."""
    assert CliRunner().invoke(app, ["setup", "handover", "--json", "--markdown"]).exit_code == 2


def test_the_sample_of_a_schema_satisfies_it():
    """Every field of the shipped schema with a value that its check takes as it is; one identity is primary."""
    document = load_schema(Path(ROOT / "mappings/moengage_events.schema.json"))
    fields = fields_of(document, "_yourorgname")
    event = sample_event(fields, "_acme", ("crm", "Email", "Phone", "ECID"))
    assert event["_acme"].keys() == fields.keys()
    kept, findings, violations = compile_schema(document, tenant="_acme").check(event)
    assert (kept, [*findings], [*violations]) == (event, [], [])
    assert [item["primary"] for items in event["identityMap"].values() for item in items] == [True, False, False, False]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "maximum": -2}, -2),
        ({"type": "string", "enum": ["b", "a"]}, "b"),
        ({"type": "string", "minLength": 12}, "sample xxxxx"),
        ({"type": "string", "maxLength": 3}, "sam"),
        ({"type": "array", "items": {"type": "boolean"}}, [True]),
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"type": "object", "properties": {"a": {"type": "number"}}}, {"a": 1}),
    ],
)
def test_a_sample_value_keeps_the_bounds(field, value):
    """Numbers, texts, enumerations, and what holds them."""
    assert value_of(field, "") == value
