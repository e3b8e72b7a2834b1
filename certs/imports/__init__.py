"""Importing the platform's tables: rows become facts, and facts part files that the load function takes in."""
