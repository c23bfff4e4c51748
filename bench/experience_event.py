"""What rules and schema cost per event: the seed's ExperienceEvent, best of several rounds, in microseconds.

python bench/experience_event.py
"""

import json
import sys
import timeit
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bridge.settings import MappingSettings  # noqa: E402 - the project is not installed where benchmarks run
from bridge.xdm.experience_event import ExperienceEvents, open_experience_events  # noqa: E402
from bridge.xdm.identity import IdentityRules  # noqa: E402

ROUNDS, CALLS = 7, 50_000


class Given:
    """A mapping that costs nothing but a shallow copy."""

    sha256 = "0" * 64

    def __init__(self, xdm):
        self.xdm = xdm

    def apply(self, _event):
        """The given XDM."""
        return self.xdm.copy(), ()


def microseconds(call):
    return round(min(timeit.repeat(call, number=CALLS, repeat=ROUNDS)) / CALLS * 1e6, 2)


def main():
    data = ROOT / "tests" / "data" / "samples"
    event, expected = (json.loads((data / f"seed-event{kind}.json").read_bytes()) for kind in ("", ".expected"))
    settings = MappingSettings()
    plain = open_experience_events(settings)
    schema_path = ROOT / "mappings" / "moengage_events.schema.json"
    full = open_experience_events(MappingSettings(schema=schema_path))
    rules, checked = (
        ExperienceEvents(Given(expected), settings),
        ExperienceEvents(Given(expected), settings, full.schema),
    )
    identities = IdentityRules(settings.primary_identity)
    assert full.build(event).xdm == expected
    figures = {
        "identity rules, four namespaces": microseconds(lambda: identities.apply(expected["identityMap"])),
        "schema check alone": microseconds(lambda: full.schema.check(expected)),
        "build, mapping given": microseconds(lambda: rules.build(event)),
        "build, mapping given, with schema": microseconds(lambda: checked.build(event)),
        "shipped mapping alone": microseconds(lambda: plain.mapping.apply(event)),
        "build, shipped mapping": microseconds(lambda: plain.build(event)),
        "build, shipped mapping, with schema": microseconds(lambda: full.build(event)),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
