"""Events in, verdicts out: batches, retries, pace, circuit. Knows neither Kafka nor any destination."""
