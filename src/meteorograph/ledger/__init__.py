"""The ledger: who collects a slot, how a run ends, what was missed and why.

The database elects: the UNIQUE constraint of ``runs``, and conditional updates, of which the row count is read. A claim is a
lease. When its holder dies, the lease expires, and another process collects what is still missing, while the slot lasts.
"""
