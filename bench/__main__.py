"""``python -m bench``: every measurement, or some of them, as tables or as JSON. README.md says how to read them."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.stage import ROOT, folder, machine

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = ("ladder", "inprocess", "parts", "moengage", "scale", "receiver", "adobe", "latency", "routes")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="the ladder on the embedded broker (no Java) with 20,000 records, everything else short: about four minutes",
    )
    parser.add_argument(
        "--broker",
        choices=("kafka", "embedded"),
        help="what the ladder runs on: a real Apache Kafka, or with --quick the demo's embedded broker",
    )
    parser.add_argument("--only", help=f"some of: {','.join(KINDS)}")
    parser.add_argument("--rungs", help="some rungs of the ladder, by name, with commas")
    parser.add_argument("--records", type=int, help="records of the ladder (300000)")
    parser.add_argument("--repeats", type=int, help="turns of the ladder (3)")
    parser.add_argument("--json", action="store_true", help="JSON on stdout; what goes on is told on stderr")
    parser.add_argument("--save", action="store_true", help="keep the JSON as bench/results/<date>.json")
    parser.add_argument("--note", default="", help="a remark to keep with the results: what else ran, for example")
    parser.add_argument(
        "--profile", type=Path, help="py-spy's samples of the ladder's first rung (py-spy must be there)"
    )
    options = parser.parse_args()
    kinds = options.only.split(",") if options.only else list(KINDS)
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"--only: {', '.join(sorted(unknown))}: not one of {', '.join(KINDS)}")
    out = sys.stderr if options.json else sys.stdout

    def say(line: str) -> None:
        print(line, file=out, flush=True)

    found: dict[str, Any] = {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d"),
        "machine": machine(),
        "note": options.note,
    }
    from bench import report

    if "inprocess" in kinds:
        from bench.inprocess import compare

        found["inprocess"] = compare(9 if options.quick else 25)
        say(report.inprocess(found["inprocess"]))
    if "parts" in kinds:
        from bench import parts

        found["parts"] = parts.run(7 if options.quick else 20)
        say(parts.table(found["parts"]))
    if "moengage" in kinds:
        from bench import moengage

        found["moengage"] = moengage.run(7 if options.quick else 20)
        say(moengage.table(found["moengage"]))
    embedded = (options.broker or ("embedded" if options.quick else "kafka")) == "embedded"
    needing: dict[str, Callable[[], None]] = {}
    if "ladder" in kinds:

        def measure_ladder() -> None:
            from bench import ladder

            found["ladder"] = ladder.run(
                options.records or (20_000 if embedded else 30_000 if options.quick else 300_000),
                options.repeats or (2 if options.quick else 3),
                set(options.rungs.split(",")) if options.rungs else None,
                options.profile,
                say,
                embedded=embedded,
            )
            say(report.ladder(found["ladder"]))

        needing["ladder"] = measure_ladder
    if "scale" in kinds:

        def measure_scale() -> None:
            from bench import scale

            backlog = scale.BACKLOG_SECONDS * scale.BACKLOG_RATE
            found["scale"] = scale.run(
                20_000 if options.quick else 60_000, backlog // 10 if options.quick else backlog, say
            )
            say(report.scale(found["scale"]))

        needing["scale"] = measure_scale
    if {"receiver", "adobe", "latency"} & set(kinds):

        def measure_receiver() -> None:
            from bench import adobe, latency, receiver
            from bench.brokers import real_broker

            with folder() as made, real_broker(Path(made), {}) as bootstrap:
                if "receiver" in kinds:
                    found["receiver"] = receiver.run(
                        bootstrap, Path(made), seconds=2 if options.quick else 4, repeats=1 if options.quick else 3
                    )
                    say(report.receiver(found["receiver"]))
                if "adobe" in kinds:
                    found["adobe"] = adobe.run(bootstrap, Path(made), seconds=5 if options.quick else 20)
                    say(adobe.table(found["adobe"]))
                if "latency" in kinds:
                    found["latency"] = latency.run(bootstrap, Path(made), seconds=5 if options.quick else 15)
                    say(report.latency(found["latency"]))

        needing["receiver, adobe and latency"] = measure_receiver
    if "routes" in kinds:

        def measure_routes() -> None:
            from bench import routes
            from bench.brokers import real_broker

            with folder() as made, real_broker(Path(made), {}) as bootstrap:
                found["routes"] = routes.run(
                    bootstrap,
                    Path(made),
                    seconds=5 if options.quick else 20,
                    pairs=2 if options.quick else 7,
                    say=say,
                )
                say(routes.table(found["routes"]))

        needing["routes"] = measure_routes
    from bench.brokers import NoRealBrokerError

    missing = False
    for name, measure in needing.items():
        try:
            measure()
        except NoRealBrokerError as error:
            say(f"{name}: skipped, {error}")
            # Asked for in earnest it is an error; a quick look takes what there is.
            missing = not options.quick
    if options.save:
        path = ROOT / "bench" / "results" / f"{found['date']}.json"
        path.parent.mkdir(exist_ok=True)
        if path.exists():  # the day's other measurements stay
            found = {**json.loads(path.read_text(encoding="utf-8")), **found}
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        say(f"kept as {path.relative_to(ROOT)}")
    if options.json:
        print(json.dumps(found))
    lost = [
        row["name"]
        for row in found.get("ladder", {}).get("rungs", ())
        if row["name"].startswith("bridge") and row.get("lost")
    ]
    if lost:
        say(f"lost events: {', '.join(lost)}")
    return 1 if lost or missing else 0


if __name__ == "__main__":
    sys.exit(main())
