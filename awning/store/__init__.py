"""What is on disk: databases with group commit, blobs, the outbox. Nothing here knows about AWS or HTTP."""
