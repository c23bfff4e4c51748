"""``aep-bridge mapping``: lint, preview, try, test, start, compare, convert and understand mapping sets.

Each command has a module of its own; this one holds what they share.
"""

from __future__ import annotations

import typer

from bridge.cli.app import app

mapping = typer.Typer(
    name="mapping",
    help="Write, check, try and understand mapping sets (Adobe Data Prep), without Adobe and without a network; verify alone asks Adobe.",
    no_args_is_help=True,
)
app.add_typer(mapping)

FILE = typer.Argument(..., help="Mapping set, CSV or Data Prep JSON.", metavar="MAPPING")
TENANT = typer.Option(
    None, "--tenant", help="Tenant namespace for {tenant}, such as _yourorgname; else from the settings."
)
PRIMARY_IDENTITY = typer.Option(
    None,
    "--primary-identity",
    help="Namespace of the customer id for {primary_identity}, or the whole list by priority; else from the settings.",
)
SCHEMA = typer.Option(None, "--schema", help="XDM schema (JSON) to check against; else that of the settings.")
EVENTS = typer.Option([], "--events", help="Sample events: a file of JSON or JSON lines, or - for stdin.")
FROM_KAFKA = typer.Option(
    None, "--from-kafka", min=1, max=100_000, metavar="N", help="The last N records of the topic."
)
JSON = typer.Option(False, "--json", help="JSON on stdout.")
