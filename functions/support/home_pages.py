"""The console's first page."""

from aws_lambda_powertools.event_handler import Response

from application import app
from pages import page


@app.get("/", include_in_schema=False)
def start() -> Response[str]:
    """Return the search."""
    return page("start.html")
