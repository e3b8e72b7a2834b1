"""What the Credentials service is to know, and how far each delivery of it is. Pure, like all of the core."""
