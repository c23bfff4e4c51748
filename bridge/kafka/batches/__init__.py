"""Record batches as brokers store them."""
