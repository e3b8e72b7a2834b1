"""Support: cases, acts on certificates, held revocations, and the checklist of a course run."""
