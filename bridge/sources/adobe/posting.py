"""How Adobe posts: destinations, Event Forwarding and custom actions to the route's path; Adobe gives up on a call after 2 seconds."""

from bridge.sources.http.posting import Posting

PROFILES = Posting(
    sender="Adobe", path="/adobe", by_name_only=True, throttles=False, rehearses=True, confirm_seconds=1.5
)
