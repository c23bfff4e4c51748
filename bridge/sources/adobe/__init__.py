"""Adobe's audiences, attributes and events: Real-Time CDP destinations, Event Forwarding, Journey Optimizer."""
