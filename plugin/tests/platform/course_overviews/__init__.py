"""Stand-in of the platform's app `course_overviews`."""
