"""Faults: kills, full disks, torn connections, hostile bytes, clock jumps; and the soaks, which `make soak` runs one by one.

How long a soak takes: every message of queues and topics accounted for, 30 minutes (`AWNING_SOAK_MINUTES`); memory that stays
level, 10 minutes (the same variable); two hundred kills, about 15 minutes; crowds and volumes, a few minutes. What is marked
slow is the same code in short: messages about 45 s, kills about 20 s.
"""
