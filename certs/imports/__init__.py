"""Importing the platform's tables: rows become observations, in part files that the load function ingests."""
