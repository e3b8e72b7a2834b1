"""What all functions share: the decision core, the event contract and the store."""

import gc

# Loading modules makes hardly any garbage, nor does a batch; looking for it takes a fifth of a cold start.
gc.set_threshold(100_000)
