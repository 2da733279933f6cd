"""Stop 2 of the walk: takes a due slot, gives a claimed run, or nothing when somebody else has it or it is done.

The database elects: the UNIQUE constraint of ``runs`` and conditional updates whose row count is read. A claim is a lease;
when its holder dies it runs out, and another process finishes what is still missing, while the slot lasts.
"""
