"""An emulator of what the bridge needs of Adobe: the IMS token endpoint and the streaming collection API.

It checks what the documents say the services check, answers in their shapes, misbehaves on command and counts what it
accepted. Tests, the demo, benchmarks and the ``emulator`` profile of the compose file all meet this same one.
"""

from bridge.emulators.adobe.inlet import Inlet
from bridge.emulators.adobe.received import fingerprint
from bridge.emulators.adobe.server import Emulator

__all__ = ["Emulator", "Inlet", "fingerprint"]
