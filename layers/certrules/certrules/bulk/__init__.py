"""Whole course runs decided again: planned, approved by people where it takes them, applied, and reported."""
