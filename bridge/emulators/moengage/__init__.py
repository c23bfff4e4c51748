"""An emulator of MoEngage's Data API: users, events and devices, one by one and in bulk, and Get User.

It answers as the documents say, and treats what they say it silently cuts, drops or ignores in the same way, only that it tells of
it in ``GET /received``. It knows nothing of the bridge's own checks: its rules were written from the documents once more.
"""

from bridge.emulators.moengage.server import MoEngageEmulator

__all__ = ["MoEngageEmulator"]
