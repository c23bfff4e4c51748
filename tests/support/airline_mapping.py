"""A mapping set for the shipped example of an airline, and mapping commands on a terminal of 80 columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from bridge.cli.main import app
from bridge.model.errors import BridgeError

EXAMPLE = Path(__file__).resolve().parents[2] / "mappings" / "example"
SCHEMA = ("--schema", str(EXAMPLE / "airline.schema.json"), "--tenant", "_acmeair", "--primary-identity", "crm,Email")
EVENTS = ("--events", str(EXAMPLE / "airline.events.jsonl"))
GOOD = """source_type,source,destination
ATTRIBUTE,id,_id
EXPRESSION,"dformat(time * 1000, ""yyyy-MM-dd'T'HH:mm:ssX"")",timestamp
ATTRIBUTE,identities.externalId,identityMap.crm[0].id
STATIC,true,identityMap.crm[0].primary
EXPRESSION,upper(user_attributes.loyalty_tier),{tenant}.loyalty.tier
"""
RAW_TIER = GOOD.replace("EXPRESSION,upper(user_attributes.loyalty_tier)", "ATTRIBUTE,user_attributes.loyalty_tier")


def run(*arguments: str, columns: int = 80) -> Any:
    """One mapping command; the error it would print is raised."""
    result = CliRunner().invoke(app, ["mapping", *arguments], env={"COLUMNS": str(columns)})
    if isinstance(result.exception, BridgeError):
        raise result.exception
    return result
