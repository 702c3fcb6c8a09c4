"""Mail and webhooks: what happened becomes digests, digests deliveries, and those are tried until they arrive."""
