"""The bounded exchange of requests, and access tokens."""
