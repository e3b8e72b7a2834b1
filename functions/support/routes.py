"""All routes of the support function: each module below adds its own to the one app."""

import act_pages  # noqa: F401 - adds its routes
import audit_calls  # noqa: F401 - same
import audit_pages  # noqa: F401 - same
import case_calls  # noqa: F401 - same
import case_pages  # noqa: F401 - same
import choosing_pages  # noqa: F401 - same
import consumer_calls  # noqa: F401 - same
import course_run_calls  # noqa: F401 - same
import course_run_pages  # noqa: F401 - same
import home_pages  # noqa: F401 - same
import learner_pages  # noqa: F401 - same
import list_calls  # noqa: F401 - same
import list_pages  # noqa: F401 - same
import plan_calls  # noqa: F401 - same
import plan_pages  # noqa: F401 - same
import program_calls  # noqa: F401 - same
import program_pages  # noqa: F401 - same
import record_calls  # noqa: F401 - same
import record_pages  # noqa: F401 - same
import regeneration_pages  # noqa: F401 - same
import regenerations  # noqa: F401 - same
import reply_calls  # noqa: F401 - same
import revocation_calls  # noqa: F401 - same
import revocation_pages  # noqa: F401 - same
import rollouts  # noqa: F401 - same
import search_pages  # noqa: F401 - same
import sending_calls  # noqa: F401 - same
import sending_pages  # noqa: F401 - same
import standing_calls  # noqa: F401 - same
import standing_pages  # noqa: F401 - same
import transition_calls  # noqa: F401 - same
import transition_pages  # noqa: F401 - same
import trend_calls  # noqa: F401 - same
import trend_pages  # noqa: F401 - same
