"""What MoEngage speaks: envelopes become events, and the HTTP receiver takes them in."""
