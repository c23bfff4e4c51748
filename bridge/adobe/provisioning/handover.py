"""What MoEngage asks for when Streams is set up, by the tables of its guide: as text, Markdown and JSON. Pure.

Two set-ups: MoEngage posts to the bridge, which maps and delivers; or to AEP directly, with a mapping in the dataflow. The items
of the second are the guide's "Information to share with MoEngage" and "OAuth 2.0 credentials details".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MASK: Final = "••••••••"
UNSET: Final = "not set"


@dataclass(frozen=True, slots=True)
class Item:
    """A line of a table. ``key``: its name for a program. ``kind``: how a long value is shown (``json``, ``csv``)."""

    key: str
    name: str
    value: str
    where: str = ""
    is_secret: bool = False
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Items under a title, with a sentence about them."""

    key: str
    title: str
    items: tuple[Item, ...]
    words: str = ""


@dataclass(frozen=True, slots=True)
class Handover:
    """Everything of one route; ``to``: in whose screens it is entered."""

    route: str
    tables: tuple[Table, ...]
    to: str = "MoEngage"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a route; "" for what is not."""

    route: str
    payload: str
    authenticated: bool
    receiver_path: str
    receiver_url: str
    receiver_auth: str
    receiver_user: str
    receiver_header: str
    receiver_secret: str
    endpoint: str
    flow_id: str
    schema_id: str
    schema_json: str
    schema_sample: Mapping[str, Any]
    dataset_id: str
    sandbox: str
    tenant: str
    namespaces: tuple[str, ...]
    moengage_namespace: str
    primary_attribute: str
    test_payload: Mapping[str, Any]
    mapping_csv: str
    client_id: str
    client_secret: str
    organisation: str
    technical_account: str
    scopes: tuple[str, ...]
    token_endpoint: str


def handover(facts: Facts) -> Handover:
    """The tables of both set-ups."""
    tables = [_bridge(facts), _identities(facts), _direct(facts)]
    if facts.authenticated:
        tables.append(_oauth(facts))
    return Handover(facts.route, tuple(tables))


def _bridge(facts: Facts) -> Table:
    items = [
        Item(
            "endpoint",
            "Endpoint",
            (facts.receiver_url or "https://YOUR-HOST") + facts.receiver_path,
            "BRIDGE_RECEIVER__PUBLIC_URL, the receiver's address behind your TLS",
        ),
        Item("authentication", "Authentication", facts.receiver_auth or UNSET, "BRIDGE_RECEIVER__AUTH"),
    ]
    if facts.receiver_auth == "basic":
        items.append(Item("username", "User", facts.receiver_user, "BRIDGE_RECEIVER__USERNAME"))
        items.append(Item("password", "Password", facts.receiver_secret, "BRIDGE_RECEIVER__PASSWORD", is_secret=True))
    elif facts.receiver_auth == "header":
        items.append(Item("header_name", "Header", facts.receiver_header, "BRIDGE_RECEIVER__HEADER_NAME"))
        items.append(
            Item(
                "header_value", "Header's value", facts.receiver_secret, "BRIDGE_RECEIVER__HEADER_VALUE", is_secret=True
            )
        )
    items += [
        Item("workspace", "Workspace", "region, name and id", "MoEngage: Settings, Account"),
        Item("events", "Events", "All, or your list"),
        Item("user_attributes", "User attributes", "All, or your list; what you leave out cannot be mapped later"),
    ]
    words = "The bridge maps and delivers; MoEngage needs nothing from Adobe."
    return Table("bridge", "MoEngage to the bridge", tuple(items), words)


def _identities(facts: Facts) -> Table:
    primary, *secondary = facts.namespaces or ("",)
    return Table(
        "identities",
        "Identities",
        (
            Item(
                "primary_namespace", "Primary identity namespace symbol", primary or UNSET, "Identities, Browse in AEP"
            ),
            Item(
                "secondary_namespaces",
                "Secondary identity namespace symbols",
                ", ".join(one for one in secondary if one != facts.moengage_namespace) or "none",
                "Identities, Browse in AEP",
            ),
            Item(
                "moengage_namespace",
                "MoEngage user id namespace",
                facts.moengage_namespace or "none",
                "Identities, Browse in AEP",
            ),
            Item(
                "primary_attribute",
                "User attribute mapping for primary id",
                facts.primary_attribute or "no row of the mapping set writes it",
                "the mapping set's row of the primary namespace",
            ),
        ),
    )


def _direct(facts: Facts) -> Table:
    flow = f"{facts.endpoint}?x-adobe-flow-id={facts.flow_id}" if facts.endpoint and facts.flow_id else facts.endpoint
    words = (
        "Without the bridge: AEP maps in the dataflow, and what AEP cannot take in three and a half minutes is lost."
    )
    if facts.payload != "raw":
        words += (
            " This route's dataflow takes XDM, which MoEngage does not send: a direct set-up needs one of its own, with"
            " BRIDGE_AEP__PAYLOAD=raw in another route."
        )
    return Table(
        "direct",
        "MoEngage to AEP directly: information to share with MoEngage",
        (
            Item("endpoint", "Streaming endpoint URL", facts.endpoint or UNSET, "BRIDGE_AEP__ENDPOINT"),
            Item("endpoint_with_flow", "The same with the dataflow", flow or UNSET, "BRIDGE_AEP__FLOW_ID"),
            Item("schema_id", "Schema id", facts.schema_id or UNSET, "BRIDGE_AEP__SCHEMA_ID"),
            Item("schema", "Schema JSON", facts.schema_json or UNSET, "BRIDGE_MAPPING__SCHEMA", kind="json"),
            Item(
                "schema_sample",
                "Sample payload of the schema",
                json.dumps(facts.schema_sample, ensure_ascii=False, indent=2),
                "every field of the schema, for the mapping's target",
                kind="json",
            ),
            Item("dataset_id", "Dataset id", facts.dataset_id or UNSET, "BRIDGE_AEP__DATASET_ID"),
            Item("sandbox", "Sandbox", facts.sandbox, "BRIDGE_AEP__SANDBOX"),
            Item(
                "test_payload",
                "Verified test payload",
                json.dumps(facts.test_payload, ensure_ascii=False, indent=2),
                "aep-bridge setup verify sends it",
                kind="json",
            ),
            Item("mapping_csv", "Mapping CSV", facts.mapping_csv or UNSET, "BRIDGE_MAPPING__PATH", kind="csv"),
            Item(
                "authentication",
                "Authentication method",
                "OAuth 2.0" if facts.authenticated else "No Auth",
                "BRIDGE_AEP__AUTH",
            ),
            Item("tenant", "Tenant namespace", facts.tenant or UNSET, "BRIDGE_MAPPING__TENANT"),
        ),
        words,
    )


def _oauth(facts: Facts) -> Table:
    return Table(
        "oauth",
        "OAuth 2.0 credentials",
        (
            Item("client_id", "Client ID", facts.client_id or UNSET, "BRIDGE_OAUTH__CLIENT_ID"),
            Item(
                "client_secret",
                "Client Secret",
                facts.client_secret or UNSET,
                "BRIDGE_OAUTH__CLIENT_SECRET",
                is_secret=bool(facts.client_secret),
            ),
            Item("organization_id", "Organization ID (IMS Org ID)", facts.organisation or UNSET, "BRIDGE_AEP__ORG_ID"),
            Item(
                "technical_account_id",
                "Technical Account ID",
                facts.technical_account or UNSET,
                "BRIDGE_OAUTH__TECHNICAL_ACCOUNT_ID",
            ),
            Item("scopes", "Scopes", ", ".join(facts.scopes), "BRIDGE_OAUTH__SCOPES"),
            Item("token_endpoint", "Token Endpoint", facts.token_endpoint, "BRIDGE_OAUTH__TOKEN_URL"),
        ),
    )


def _value(item: Item, *, secrets: bool) -> str:
    return MASK if item.is_secret and item.value and not secrets else item.value


def as_text(made: Handover, *, secrets: bool) -> str:
    """Tables with aligned names; long values are named with where they are to be had."""
    lines = [f"route {made.route}"]
    for table in made.tables:
        lines += ["", table.title, *([f"  {table.words}"] if table.words else [])]
        width = max(len(item.name) for item in table.items)
        for item in table.items:
            value = _value(item, secrets=secrets)
            if item.kind and value != UNSET:
                value = f"{len(value.encode()):,} bytes of {item.kind.upper()}: --markdown or --json shows all of it"
            lines.append(f"  {item.name:<{width}}  {value}" + (f"  ({item.where})" if item.where else ""))
    return "\n".join(lines) + "\n"


def as_markdown(made: Handover, *, secrets: bool) -> str:
    """A document to send: tables, and below them what is long, in blocks."""
    lines = [f"# Handover to {made.to}: route {made.route}"]
    for table in made.tables:
        lines += ["", f"## {table.title}", *(["", table.words] if table.words else [])]
        lines += ["", "| item | value | where it comes from |", "| --- | --- | --- |"]
        long = []
        for item in table.items:
            value = _value(item, secrets=secrets)
            if item.kind and value != UNSET:
                long.append((item, value))
                value = "below"
            lines.append(f"| {_cell(item.name)} | {_cell(value)} | {_cell(item.where)} |")
        for item, value in long:
            fence = "`" * max(3, _longest_run(value) + 1)
            lines += ["", f"### {item.name}", "", f"{fence}{item.kind}", value.rstrip("\n"), fence]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def _longest_run(text: str) -> int:
    longest = run = 0
    for letter in text:
        run = run + 1 if letter == "`" else 0
        longest = max(longest, run)
    return longest


def as_json(made: Handover, *, secrets: bool) -> dict[str, Any]:
    """Table -> item -> value; what is JSON is JSON, what is not set is null."""
    return {"route": made.route, **{table.key: dict(_pairs(table.items, secrets=secrets)) for table in made.tables}}


def _pairs(items: Sequence[Item], *, secrets: bool) -> Iterator[tuple[str, Any]]:
    for item in items:
        value = _value(item, secrets=secrets)
        if value == UNSET:
            yield item.key, None
        elif item.kind == "json":
            yield item.key, json.loads(value)
        else:
            yield item.key, value
