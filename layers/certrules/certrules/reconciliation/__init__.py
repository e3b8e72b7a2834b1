"""Reconciliation: stored records and history, compared with what was published and with the facts.

Both tables are read in parallel segments, a page at a time. A finding may only be on its way, so it is looked at again,
consistently, after everything that was on its way has arrived. Lost deliveries are then sent again; all other findings
are reported, and nothing is changed for them.
"""
