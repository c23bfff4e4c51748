"""For tests: on the path of a worker, this makes events with a certain name hold the interpreter's lock for good while they are mapped.

No mapping can do that any more, so it is put in from outside.
"""

import os
import re
import sys

NAME = os.environ.get("HANGING_EVENT_NAME", "")

if NAME and "worker" in sys.argv:
    from bridge.xdm import experience_event

    _straight = experience_event.ExperienceEvents.straight

    def straight(self):
        """As it was, or never ending."""
        build = _straight(self)

        def hanging(event):
            if event.get("event_name") == NAME:
                re.fullmatch("(a+)+b", "a" * 80)
            return build(event)

        return hanging

    experience_event.ExperienceEvents.straight = straight
