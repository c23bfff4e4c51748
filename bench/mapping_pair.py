"""The compiled shipped mapping beside a hand-written Python function that does the same, on the seed's event.

    python -m bench.mapping_pair [--json]

The processor time of both is taken in turn, many times, and the best of each is compared: the machine's noise only ever adds. Beside them stand
the whole ExperienceEvent (identities and required fields ruled) and the same with the shipped schema checked.
"""

from __future__ import annotations

import gc
import json
import sys
import time
import timeit
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge.mapping.compiler.expressions.evaluation import compile_expression
from bridge.mapping.compiler.mapping_compiler import compile_mapping
from bridge.mapping.sets.table import load_mapping_set
from bridge.mapping.syntax.nodes import Literal, walk
from bridge.settings import MappingSettings
from bridge.xdm.experience_event import ExperienceEvents
from bridge.xdm.schema.compiled_schema import compile_schema, load_schema

ROOT = Path(__file__).resolve().parent.parent
REPEATS, NUMBER = 40, 2_000
SCHEMA = ROOT / "mappings" / "moengage_events.schema.json"


def code_table(expression: str) -> dict[str, str]:
    """Event code -> eventType, as the hand-written function would hold it."""
    codes = [
        node.value
        for node in walk(compile_expression(expression).node)
        if isinstance(node, Literal) and isinstance(node.value, str)
    ]
    function = compile_expression(expression).function
    return {code: function({"event_code": code}) for code in codes}


def hand_written(types: dict[str, str]) -> Any:
    """What a programmer would write for this mapping: no checks beyond those the mapping makes, copies included."""

    def copied(value: Any) -> Any:
        return {key: one for key, one in value.items() if one is not None} if isinstance(value, dict) else value

    def build(event: dict[str, Any]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        identities = event.get("identities") or {}
        attributes = event.get("event_attributes") or {}
        user = event.get("user_attributes") or {}
        if (value := event.get("id")) is not None:
            out["_id"] = value
        if (value := event.get("time")) is not None:
            out["timestamp"] = datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if (code := event.get("event_code")) is not None:
            out["eventType"] = types.get(code) or f"moengage.{code}"
        if (value := event.get("event_uuid")) is not None:
            out["eventMergeId"] = value
        if (value := event.get("source")) is not None:
            out["producedBy"] = value
        identity_map: dict[str, Any] = {}
        if (value := identities.get("externalId")) is not None:
            identity_map["lumaCrmId"] = [{"id": value, "primary": "true"}]
        if (value := identities.get("email")) is not None:
            identity_map["Email"] = [{"id": value, "primary": "false"}]
        if (value := identities.get("phone")) is not None:
            identity_map["Phone"] = [{"id": value, "primary": "false"}]
        if (value := identities.get("moengageUserId")) is not None:
            identity_map["moengageUserId"] = [{"id": value, "primary": "false"}]
        value = identities.get("ecid")
        if value is None:
            value = user.get("ecid")
        if value is None:
            value = user.get("ECID")
        if value is not None:
            identity_map["ECID"] = [{"id": value, "primary": "false"}]
        if identity_map:
            out["identityMap"] = identity_map
        tenant: dict[str, Any] = {}
        for key, name in (
            ("source", "source"), ("event_name", "eventName"), ("event_code", "eventCode"), ("app_name", "appName"),
        ):  # fmt: skip
            if (value := event.get(key)) is not None:
                tenant[name] = value
        for key, name in (
            ("campaign_id", "campaignId"), ("campaign_name", "campaignName"),
            ("campaign_type", "campaignType"), ("campaign_channel", "campaignChannel"),
        ):  # fmt: skip
            if (value := attributes.get(key)) is not None:
                tenant[name] = value
        for key, name in (
            ("event_attributes", "eventAttributesJson"), ("user_attributes", "userAttributesJson"),
            ("device_attributes", "deviceAttributesJson"),
        ):  # fmt: skip
            if value := copied(event.get(key)):
                tenant[name] = value
        if tenant:
            out["_yourorgname"] = tenant
        return out

    return build


def measure(repeats: int = REPEATS, number: int = NUMBER) -> dict[str, float]:
    """Best microseconds an event of each, and the ratios that have a goal."""
    mapping_set = load_mapping_set(ROOT / "mappings" / "moengage_events.csv")
    mapping = compile_mapping(mapping_set, tenant="_yourorgname", primary_identity="lumaCrmId")
    event = json.loads((ROOT / "tests" / "data" / "samples" / "seed-event.json").read_text(encoding="utf-8"))
    types = code_table(next(row.source for row in mapping_set.rows if row.destination == "eventType"))
    by_hand = hand_written(types)
    if mapping.apply(event)[0] != by_hand(event):
        raise SystemExit("the two do not do the same")
    schema = compile_schema(load_schema(SCHEMA), tenant="_yourorgname")
    contenders: dict[str, Any] = {
        "compiled": mapping.apply,
        "hand_written": by_hand,
        "experience_event": ExperienceEvents(mapping, MappingSettings()).build,
        "with_schema": ExperienceEvents(mapping, MappingSettings(), schema).build,
    }
    best = dict.fromkeys(contenders, float("inf"))
    gc.disable()
    for _ in range(repeats):
        for name, function in contenders.items():
            names = {"function": function, "event": event}
            taken = timeit.Timer("function(event)", timer=time.process_time, globals=names).timeit(number)
            best[name] = min(best[name], taken / number * 1e6)
    gc.enable()
    ratio = best["compiled"] / best["hand_written"]
    return {**best, "ratio": ratio, "schema_ratio": best["with_schema"] / best["experience_event"]}


def main() -> None:
    """Print the pair."""
    found = measure()
    if "--json" in sys.argv:
        print(json.dumps(found))
        return
    print(f"compiled mapping  {found['compiled']:6.2f} us/event")
    print(f"hand-written      {found['hand_written']:6.2f} us/event")
    print(f"ratio             {found['ratio']:6.2f}  (goal: at most 2)")
    print(f"experience event  {found['experience_event']:6.2f} us/event")
    print(f"with schema       {found['with_schema']:6.2f} us/event")
    print(f"ratio             {found['schema_ratio']:6.2f}  (goal: at most 2)")


if __name__ == "__main__":
    main()
