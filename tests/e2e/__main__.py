"""`make e2e`: the built stack, deployed in LocalStack and used as its operators use it."""

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from certs.debug.containers import ARCHITECTURE, ROOT, build_functions
from tests.e2e import localstack
from tests.e2e.chapters import UnexpectedError, chapter, note
from tests.e2e.cut_template import UncutError, cut
from tests.e2e.stack import Consumer, DeployedStack, HistoryStream, SupportApi, errors_logged
from tests.e2e.story import Story

BUILT = ROOT / ".aws-sam" / "build" / "template.yaml"
STACK = "e2e"
API_PORT = 4598
PARAMETERS = {
    "Architecture": ARCHITECTURE,
    "DailyReconciliation": "off",
    "DeletionProtection": "false",
    "IngestConcurrency": "2",
    "TokenIssuer": "https://issuer.example.org",
    "TrafficShift": "off",
}


def main() -> int:
    """Run all chapters; return the exit code: 1 after a failure, 3 where the machine can't run it."""
    os.environ.update(localstack.ENVIRONMENT)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    try:
        with TemporaryDirectory() as folder:
            run(Path(folder))
        print("\nAll chapters ended as expected.")
    except click.ClickException as error:  # of building, and NoContainersError
        print(error.message)
        return error.exit_code
    except (UncutError, UnexpectedError) as error:
        print(f"\nFAILED: {error}")
        return 1
    return 0


def run(folder: Path) -> None:
    """Start LocalStack, deploy the stack and operate it. Raises UnexpectedError and NoContainersError."""
    with ExitStack() as services:
        with chapter("LocalStack starts"):
            services.enter_context(localstack.localstack())
            note(localstack.ENVIRONMENT["AWS_ENDPOINT_URL"])
        with chapter("Layer and functions are built"):
            build_functions()
        stack = DeployedStack(STACK)
        with chapter("The stack is deployed"):
            template = cut(BUILT, PARAMETERS, f"http://127.0.0.1:{API_PORT}")
            for what, times in template.left_out.items():
                note(f"left out: {times} {what}")
            localstack.deploy(STACK, template, folder)
            note(f"{len(template.stack['Resources'])} resources")
        api = SupportApi(template.api, template.parameters, stack)
        api.serve(API_PORT)
        try:
            operate(Story(stack, api, HistoryStream(stack), Consumer(stack)), folder)
        except UnexpectedError:
            for error in errors_logged():
                note(error)
            raise


def operate(story: Story, folder: Path) -> None:
    """Go through the story on a deployed stack, by way of a folder for files. Raises UnexpectedError."""
    with chapter("Parameters are read before functions change"):
        story.validate()
    with chapter("Events become certificates, and published events"):
        story.events()
    with chapter("A bulk run is planned, approved and applied"):
        story.bulk_run()
    with chapter("A hold that ran out is swept"):
        story.sweep()
    with chapter("The platform's tables are imported"):
        story.import_(folder)
    with chapter("A reconciliation finds what was lost"):
        story.reconcile()
    with chapter("Nothing went wrong on the way"):
        story.end()


if __name__ == "__main__":
    sys.exit(main())
