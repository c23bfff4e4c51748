"""What else could carry events from Kafka to AEP: each a script that runs alone, told what to do by its environment."""
