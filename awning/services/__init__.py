"""A folder per AWS service, all of one shape. No room imports another: they talk through awning.contracts."""
