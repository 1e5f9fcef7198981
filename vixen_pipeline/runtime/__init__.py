"""Running the system on one machine: processes, ports, addresses, the folder's lock.

Belongs here: what `vixen up` supervises and how. Does not: what the processes do.
"""
