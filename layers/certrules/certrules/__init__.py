"""What all functions share: the decision core, the event contract and the store."""
