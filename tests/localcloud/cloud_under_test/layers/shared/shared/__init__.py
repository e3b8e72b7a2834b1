"""What the functions of this stack share."""

import os

# Read once, when imported: as modules of a real layer do.
STAGE_AT_IMPORT = os.environ["STAGE"]
FUNCTION_AT_IMPORT = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
