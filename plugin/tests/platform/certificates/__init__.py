"""Stand-in of the platform's app `certificates`."""
