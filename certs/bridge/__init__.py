"""`certs bridge`: between the platform's own event bus (Redis, Kafka) and ours, as a program that runs all the time."""
