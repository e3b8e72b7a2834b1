"""Stand-in of the platform's app `student`: learners' names."""
