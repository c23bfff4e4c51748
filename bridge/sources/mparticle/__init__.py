"""mParticle's batches: webhook, Events API, and what its Kafka output writes."""
