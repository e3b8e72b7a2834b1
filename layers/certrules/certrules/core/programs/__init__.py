"""Programs: which ones a learner has completed, and why. A pure function of dated facts, like a certificate.

`definitions`: `ProgramDefinition`, `ProgramCourse`, `ProgramStatus`; `DatedDefinition`, a definition with the instant
from which it holds; `merge_definitions` and `fit_definitions`, for the timeline of one program.

`certificates`: `CertificateChange`; `changes_of` and `changes_of_published`, which read the changes off the outcome of
a replay and off what was published. The service decides by what was published: a certificate that the guard retains
still carries its course.

`reasons`: `REASONS`, why a program certificate is missing; `ProgramCause` and `CAUSES`, why one changed or is pending.

`deciding`: `decide_program` and `decide_programs`, which return a `ProgramOutcome` for a learner and a program as of an
instant; `ProgramAction`, what a person or the breaker does with a pending revocation, and `ActionOnProgram`, which
names the program, too. What-if is the same call with other certificates or definitions.

`kill_switches`: `KillSwitches`, of the deployment and of course runs: a loss that one stops is held for a person.

`publication`: `PublishedProgram`, and `next_program_publication`, which retains what was published and is no longer
carried.

`preview`: `preview_programs`, what becomes of program certificates if course certificates are lost or shown later;
`preview_action`, what a person's action would do.
Explanations are in `core.explain.programs`.

Nothing is imported here: who reads events needs the definitions and the actions alone.
"""
