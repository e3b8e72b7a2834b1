"""`python -m certs.openapi` writes the support API's OpenAPI document, as the function itself publishes it."""

import sys
from pathlib import Path

from certs.run import LOCAL_PARAMETERS
from localcloud import LocalCloud


def document(template: Path) -> str:
    """Return the document, as JSON."""
    with LocalCloud(template, LOCAL_PARAMETERS) as cloud:
        token = cloud.api.token("docs", ["certificates/view"])
        answer = cloud.api.request("GET", "/v1/openapi.json", {"Authorization": f"Bearer {token}"})
    return answer.body.decode() + "\n"


if __name__ == "__main__":
    sys.stdout.write(document(Path("template.yaml")))
