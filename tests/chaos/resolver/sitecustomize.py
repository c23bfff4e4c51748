"""Loaded by a child process at its start (this folder is on its path): one host name is resolved by a file.

``CHAOS_HOST`` is 127.0.0.1 while the file ``CHAOS_HOSTS`` exists, and unknown while it does not: a failure of DNS that
reaches nobody else on the machine. What the process makes of it is its own.

While the file ``CHAOS_HANGING`` exists, mapping the event whose id it holds never ends, and the interpreter's lock is held
meanwhile: no mapping can do that any more, so it is put into workers from outside.
"""

import os
import re
import socket
import sys

from aiohttp import resolver

_HOST, _FILE = os.environ["CHAOS_HOST"], os.environ["CHAOS_HOSTS"]


def _wrapped(resolve):
    async def resolved(self, host, port=0, family=socket.AF_INET):
        if host == _HOST:
            if not os.path.exists(_FILE):  # noqa: ASYNC240, PTH110 - a look at a local file
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            host = "127.0.0.1"
        return await resolve(self, host, port, family)

    return resolved


for _kind in (resolver.ThreadedResolver, resolver.AsyncResolver):
    _kind.resolve = _wrapped(_kind.resolve)

if "worker" in sys.argv:
    from bridge.xdm import experience_event

    _HANGING = os.environ["CHAOS_HANGING"]
    _straight = experience_event.ExperienceEvents.straight

    def straight(self):
        """As it was, or never ending."""
        build = _straight(self)

        def hanging_build(event):
            if os.path.exists(_HANGING):  # noqa: PTH110 - for each event
                with open(_HANGING, encoding="utf-8") as file:  # noqa: PTH123
                    if file.read() == event.get("id"):
                        re.fullmatch("(a+)+b", "a" * 80)
            return build(event)

        return hanging_build

    experience_event.ExperienceEvents.straight = straight
