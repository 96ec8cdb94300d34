"""Who asks, and whether they may: signatures and policies. Pure decisions: no I/O, no clock, no database."""
