"""The whole worker on virtual time, over simulated brokers and a simulated destination."""
