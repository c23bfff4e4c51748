"""What tests of the bridge stand on, its own and those of its users, demo and benchmarks (docs/testing.md).

The bridge's commands as processes, a real Apache Kafka without containers, time that passes at once, events that can be counted, and
the account of what became of them.
"""
