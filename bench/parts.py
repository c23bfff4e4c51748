"""What each part of the worker's path costs an event, beside the same thing done bare.

Microseconds of CPU an event, the best of several rounds: noise only ever adds. One process, records of ``bench.records``.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from bench import handwritten
from bench.inprocess import Record, envelope, made_records, mapping_settings
from bench.records import DATA, records
from bench.stage import SinkProcess, folder
from bridge.delivery.batching import Batcher, RequestLimits
from bridge.destinations.aep.answers import read_answer
from bridge.kafka.consumer.ledger import Ledger
from bridge.mapping.compiler.mapping_compiler import compile_mapping
from bridge.mapping.sets.table import load_mapping_set
from bridge.routes.mapping_opening import open_experience_events
from bridge.sources.moengage.envelopes import events_of
from bridge.xdm.identity.identity_map import IdentityRules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_COUNT, _CHUNK = 1_000, 500


def best_of(rounds: int, ways: dict[str, Callable[[], Any]], count: int = _COUNT) -> dict[str, float]:
    """The least microseconds of CPU an event of each, taken in turn."""
    best = dict.fromkeys(ways, float("inf"))
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, way in ways.items():
                began = time.process_time()
                way()
                best[name] = min(best[name], (time.process_time() - began) / count * 1e6)
    finally:
        gc.enable()
    return best


def rows_mapping(rows: int, where: Path) -> tuple[Any, Callable[[dict[str, Any]], dict[str, Any]], dict[str, Any]]:
    """A mapping set of so many rows (attributes, and an expression in every tenth), a bare function like it, and an event."""
    lines = ["source_type,source,destination"]
    code = ["def bare(event):", " get = event['user_attributes'].get", " o = {}"]
    for number in range(rows):
        if number % 10 == 9:
            lines.append(f"EXPRESSION,upper(user_attributes.a{number}),{{tenant}}.b{number}")
            code.append(f" if (v := get('a{number}')) is not None: o['b{number}'] = v.upper()")
        else:
            lines.append(f"ATTRIBUTE,user_attributes.a{number},{{tenant}}.b{number}")
            code.append(f" if (v := get('a{number}')) is not None: o['b{number}'] = v")
    code.append(" return {'_yourorgname': o}")
    path = where / f"{rows}.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    mapping = compile_mapping(load_mapping_set(path), tenant="_yourorgname", primary_identity="lumaCrmId")
    names: dict[str, Any] = {}
    exec("\n".join(code), names)  # noqa: S102 - code made above
    event = {"event_uuid": "u", "user_attributes": {f"a{number}": f"value {number}" for number in range(rows)}}
    assert mapping.apply(event)[0] == names["bare"](event)
    return mapping, names["bare"], event


def run(rounds: int = 15) -> list[dict[str, Any]]:
    """Rows of part, microseconds, reference, its microseconds."""
    rows = made_records(_COUNT)
    values = [row.value for row in rows]
    events = [orjson.loads(value) for value in values]
    seed = json.loads((DATA / "samples" / "seed-event.json").read_bytes())
    builder = open_experience_events(mapping_settings())
    schema = open_experience_events(mapping_settings(schema=True)).schema
    assert schema is not None
    rules = IdentityRules(mapping_settings().primary_identity)
    wrapped = envelope()
    built = [builder.build(event).xdm for event in events]
    people = [builder.mapping.apply(event)[0]["identityMap"] for event in events]
    items = [orjson.dumps(xdm) for xdm in built]
    answer = orjson.dumps(
        {
            "inletId": "x",
            "responses": [{"xactionId": f"7a1d2c3b-1111-4222-8333-0123456789ab-{n}"} for n in range(_COUNT)],
        }
    )
    limits = RequestLimits(1_000_000, 10_000, wrapped.frame_bytes, len(wrapped.separator), 0.5)

    def batch() -> None:
        batcher: Batcher[int] = Batcher(limits)
        for start in range(0, _COUNT, _CHUNK):
            batcher.add(start, items[start : start + _CHUNK], 0.0)
        while (made := batcher.next_batch(0.0, force=True)) is not None:
            wrapped.batch(made.items)

    with folder() as made:
        by_rows = {number: rows_mapping(number, Path(made)) for number in (10, 100, 1_000)}
    ways: dict[str, Callable[[], Any]] = {
        "decode": lambda: [events_of(orjson.loads(value)) for value in values] and None,
        "decode*": lambda: [orjson.loads(value) for value in values] and None,
        "map seed": lambda: [builder.mapping.apply(seed) for _ in range(_COUNT)] and None,
        "map seed*": lambda: [handwritten.build(seed) for _ in range(_COUNT)] and None,
        "map": lambda: [builder.mapping.apply(event) for event in events] and None,
        "map*": lambda: [handwritten.build(event) for event in events] and None,
        "identities": lambda: [rules.apply(one) for one in people] and None,
        "map and check": lambda: [builder.build(event) for event in events] and None,
        "map and check*": lambda: [handwritten.build(event) for event in events] and None,
        "schema": lambda: [schema.check(xdm) for xdm in built] and None,
        "encode": lambda: [wrapped.encode(xdm) for xdm in built] and None,
        "encode*": lambda: [orjson.dumps(xdm) for xdm in built] and None,
        "batch": batch,
        "batch*": lambda: b'{"messages":[' + b",".join(items) + b"]}",
        "verdicts": lambda: read_answer(207, {}, answer, _COUNT, now=0.0),
        "verdicts*": lambda: orjson.loads(answer),
        "commit": lambda: _commit(rows),
    }
    for number, (mapping, bare, event) in by_rows.items():
        ways[f"map {number} rows"] = lambda mapping=mapping, event=event: (
            [mapping.apply(event) for _ in range(50)] and None
        )
        ways[f"map {number} rows*"] = lambda bare=bare, event=event: [bare(event) for _ in range(50)] and None
    found = best_of(rounds, ways)
    found |= {name: value * _COUNT / 50 for name, value in found.items() if " rows" in name}
    found |= sizes(rounds)
    found |= asyncio.run(_posting(items))
    labels = {
        "decode": "decode, canonical form|orjson.loads",
        "map seed": "mapping, the seed's event|hand-written, identities included",
        "map": "mapping, shipped set|hand-written, identities included",
        "map and check": "mapping, identities, id, timestamp|hand-written",
        "identities": "identity rules, where ids are not plain|",
        "schema": "schema check|",
        "encode": "encode|orjson.dumps",
        "batch": "batch, one body of 1 MB each|bytes.join",
        "post": "POST by the megabyte|aiohttp alone",
        "verdicts": "verdicts of a 207|orjson.loads",
        "commit": "ledger: fetch, resolve, commit position|",
        **{f"map {number} rows": f"mapping of {number} rows|generated Python" for number in by_rows},
        **{f"size {size}": f"record of {size} bytes, decode to encode|the floor's loop" for size in _SIZES},
    }
    return [
        {
            "part": label.partition("|")[0],
            "us": round(found[name], 3),
            "reference": label.partition("|")[2],
            "reference_us": round(found[f"{name}*"], 3) if f"{name}*" in found else None,
        }
        for name, label in labels.items()
        if name in found
    ]


_SIZES = (800, 1_200, 5_000, 20_000, 50_000)


def sizes(rounds: int) -> dict[str, float]:
    """Decode to encode for records of several sizes."""
    builder, wrapped = open_experience_events(mapping_settings()), envelope()
    found: dict[str, float] = {}
    count = 100
    for size in _SIZES:
        values = [value for _, value in records(count, size=size)]
        ways = {
            f"size {size}": lambda values=values: [
                wrapped.encode(builder.build(events_of(orjson.loads(value))[0]).xdm) for value in values  # type: ignore[arg-type]
            ] and None,
            f"size {size}*": lambda values=values: [orjson.dumps(handwritten.build(orjson.loads(value))) for value in values] and None,
        }  # fmt: skip
        found |= best_of(rounds, ways, count)
    return found


def _commit(rows: Sequence[Record]) -> None:
    ledger = Ledger()
    ledger.open(1, {("bench", 0): None})
    for start in range(0, len(rows), _CHUNK):
        run = rows[start : start + _CHUNK]
        chunk = ledger.register_chunk(("bench", 0), 1, run, 1, first=run[0].offset, last=run[-1].offset)
        assert chunk is not None
        ledger.admit(chunk, len(run))
        ledger.resolve(chunk, len(run))
        ledger.confirm(1, ledger.committable())


async def _posting(items: list[bytes]) -> dict[str, float]:
    """CPU an event of a request of some 1 MB into the sink, ours and aiohttp's."""
    import os

    import aiohttp

    from bridge.destinations.aep.destination import batch_url, open_destination
    from bridge.model.verdicts import AllAccepted
    from bridge.settings import load_settings
    from bridge.telemetry.metrics import Metrics

    items = items[:600]
    best = {"post": float("inf"), "post*": float("inf")}
    with folder() as made:
        sink = SinkProcess(Path(made))
        before = {name: value for name, value in os.environ.items() if name.startswith("BRIDGE_")}
        try:
            for name in before:
                del os.environ[name]
            os.environ |= sink.environment
            settings = load_settings()
        finally:
            for name in sink.environment:
                os.environ.pop(name, None)
            os.environ |= before
        try:
            headers = {
                "Content-Type": "application/json",
                "Authorization": f"Bearer {sink.token}",
                "x-sandbox-name": "prod",
                "x-gw-ims-org-id": "x",
            }
            url, wrapped = batch_url(settings.aep.endpoint or ""), envelope()
            body = wrapped.batch(items)
            async with (
                open_destination(settings, Metrics()) as destination,
                aiohttp.ClientSession(headers=headers) as session,
            ):
                mine = [orjson.dumps(orjson.loads(item)) for item in items]
                for _ in range(12):
                    began = time.process_time()
                    for _ in range(4):
                        assert await destination.send(mine) == AllAccepted()
                    best["post"] = min(best["post"], (time.process_time() - began) / 4 / len(items) * 1e6)
                    began = time.process_time()
                    for _ in range(4):
                        async with session.post(url, data=body) as response:
                            await response.read()
                            assert response.status == 207
                    best["post*"] = min(best["post*"], (time.process_time() - began) / 4 / len(items) * 1e6)
        finally:
            sink.stop()
    return best


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows for a person."""
    lines = [f"{'part':48} {'us/event':>9}   {'reference':36} {'us/event':>9} {'ratio':>6}"]
    for row in rows:
        beside = row["reference_us"]
        tail = f"{beside:9.2f} {row['us'] / beside:6.2f}" if beside else ""
        lines.append(f"{row['part']:48} {row['us']:9.2f}   {row['reference']:36} {tail}".rstrip())
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(run()))
