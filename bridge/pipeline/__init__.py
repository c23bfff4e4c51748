"""Kafka and Faust: from a consumed chunk to acknowledged offsets. The only room that imports faust."""
