"""One host each: mailbox loop, agent connection, health, patches, backoff, job run."""
