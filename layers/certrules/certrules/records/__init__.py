"""What the Credentials service is to know: its client, and the deliveries to it."""
