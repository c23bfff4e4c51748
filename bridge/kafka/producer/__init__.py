"""Records to Kafka, confirmed."""
