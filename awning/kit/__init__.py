"""What rooms are made of: Service, operation, Call, errors, ARNs. Nothing here knows a particular room."""
