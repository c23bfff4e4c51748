"""MoEngage's Data API: users, events and devices."""
