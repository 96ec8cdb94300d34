"""The network layer: bytes in, requests out; responses in, bytes out. Nothing here knows about AWS."""
