"""The agent's client: one verified connection, tolerant answers, and mutating calls that are never sent twice."""
