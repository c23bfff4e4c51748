"""The Faust side of consuming: the app, the transport by chunks, and the thread that owns the client."""
