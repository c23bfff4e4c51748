"""A real Apache Kafka without containers: Java and the jars from Maven Central; nodes that are killed, paused and started again."""
