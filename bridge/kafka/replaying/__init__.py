"""Delivered records of the topic, read once more to be written to it again; how far that has come is kept in Kafka."""
