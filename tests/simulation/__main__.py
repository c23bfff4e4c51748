"""``make simulate``: seeds one after the other for so many real seconds, or so many seeds, until one finds something."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from random import SystemRandom

from simulation.coverage import missing
from simulation.episode import play, spare_the_collector

_SEEDS = 1 << 40


def main():
    """0 when nothing was found and every kind was met."""
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="Real seconds (default 60).")
    parser.add_argument("--seeds", type=int, help="Play this number of seeds instead, however long they take.")
    parser.add_argument("--seed", type=int, help="Play this seed alone, as it was.")
    parser.add_argument("--first", type=int, help="Begin with this seed; by default one that nobody knows.")
    parser.add_argument("--lines", type=int, default=80, help="Number of last steps shown of a finding (default 80).")
    parser.add_argument(
        "--trace", type=int, default=0, help="With --seed: print this number of last steps, found or not."
    )
    parser.add_argument("--quiet", action="store_true", help="Do not list what was met.")
    arguments = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of a set of texts belongs to what a seed decides.
        os.execve(  # noqa: S606 - itself
            sys.executable, [sys.executable, "-m", "simulation", *sys.argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"}
        )
    counters = Counter()
    if arguments.seed is not None:
        result = play(arguments.seed, counters, lines=arguments.lines, traced=arguments.trace)
        print("\n".join(result.trace))
        return _tell(result.finding)
    seed = SystemRandom().randrange(_SEEDS) if arguments.first is None else arguments.first
    spare_the_collector()
    first, began, worked = seed, time.monotonic(), time.process_time()
    seconds = events = faults = 0
    while time.monotonic() - began < arguments.seconds if arguments.seeds is None else seed - first < arguments.seeds:
        result = play(seed, counters, lines=arguments.lines)
        seconds, events, faults = seconds + result.seconds, events + result.events, faults + result.faults
        if result.finding is not None:
            return _tell(result.finding)
        seed += 1
    passed, worked = time.monotonic() - began, time.process_time() - worked
    if not arguments.quiet:
        for what, times in sorted(counters.items()):
            print(f"{times:>10}  {what}")
    print(
        f"seeds {first} to {seed - 1}: {seconds / 3600:.2f} virtual hours in {passed:.0f} s ({seconds / passed:.0f} times real time,"
        f" {seconds / worked:.0f} times CPU), {events / seconds:.1f} events and {faults / seconds:.2f} faults a virtual second;"
        " no finding"
    )
    lacking = missing(counters, seed - first)
    for what in lacking:
        print(f"never met: {what}")
    return int(bool(lacking))


def _tell(finding):
    if finding is None:
        print("no finding")
        return 0
    print(f"{finding}\nreplay: make simulate ARGS='--seed {finding.seed}'")
    return 1


if __name__ == "__main__":
    sys.exit(main())
