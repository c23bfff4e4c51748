"""Records from Kafka by chunks, and which offsets may be committed; the only room with Faust."""
