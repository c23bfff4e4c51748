"""How mParticle posts: its webhook to the route's path, clients of the Events API to the paths below it that they append."""

from bridge.sources.http.posting import Posting

BATCHES = Posting(
    sender="mParticle",
    path="/mparticle",
    below=("/events", "/bulkevents", "/bulkevents/historical"),
    by_name_only=True,
    throttles=False,
    confirm_seconds=1.5,
)
