"""The decision, pure: dated facts in, a certificate and its reasons out. No clock, no I/O, no environment."""
