"""How MoEngage Streams posts events: to one path, or for a route of several to a path below it."""

from bridge.sources.http.posting import Posting

STREAMS = Posting(sender="MoEngage Streams", path="/moengage/streams")
