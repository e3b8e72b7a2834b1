"""What support sees and does: a learner's case, acts on certificates, what is held, a course run's checklist."""
