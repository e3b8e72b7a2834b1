"""`certs programs`: the catalog's programs become events."""
