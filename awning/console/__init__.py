"""The shell of the web console. Empty until the first page stands."""
