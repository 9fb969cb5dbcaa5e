"""How messages travel: Kafka topics, the local Kafka process, the stream between runner and gateway."""
