"""Who has no Credentials service pays nothing for it: what certificates wait for loads nothing of programs' records."""

import subprocess
import sys

EVENT_PATH = ("batches", "bridging", "importing", "ingestion", "publishing", "redeciding", "sweeping")
OF_RECORDS = (
    "certrules.records",
    "certrules.core.deliveries",
    "certrules.core.programs.deciding",
    "certrules.core.programs.publication",
    "certrules.formats.program_events_out",
    "certrules.formats.stored_deliveries",
    "certrules.formats.stored_programs",
    "certrules.storage.learner_records",
    "certrules.storage.program_definitions",
    "certrules.storage.records_table",
)


def test_what_certificates_wait_for_loads_nothing_of_records() -> None:
    program = f"import {', '.join(f'certrules.{name}' for name in EVENT_PATH)}, sys; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert [name for name in ran.stdout.split() if name.startswith(OF_RECORDS)] == []
