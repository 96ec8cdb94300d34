"""Outside programs that awning drives. Empty until the first room needs one."""
