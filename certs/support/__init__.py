"""The `certs` commands that speak the support API."""

from certs.support.acts import allowlist, date, erase, invalidate, lift, redecide
from certs.support.audit import audit
from certs.support.cases import (
    changes,
    check,
    explain,
    export_case,
    invalidations,
    learners,
    timeline,
    what_if,
)
from certs.support.consumers import consumers
from certs.support.course_runs import course_run
from certs.support.finding import find, learner
from certs.support.records import records
from certs.support.regenerations import regenerate
from certs.support.revocations import held, revocations
from certs.support.rollouts import rollout
from certs.support.sending import send_again
from certs.support.transitions import transitions, trends

COMMANDS = (
    explain, timeline, changes, find, learner, learners, course_run, what_if, check, invalidations, export_case,
    allowlist, invalidate, lift, redecide, erase, date, held, revocations, audit, regenerate, records, rollout,
    send_again, transitions, trends, consumers,
)  # fmt: skip
