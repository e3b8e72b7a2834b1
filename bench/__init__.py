"""What the code costs, each figure as a ratio to a baseline that is measured beside it."""
