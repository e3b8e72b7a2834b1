"""Functions in a real Lambda container."""
