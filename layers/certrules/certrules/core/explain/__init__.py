"""Explanations of a record, for the people who answer learners' questions."""
