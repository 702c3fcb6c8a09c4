"""Running one job on its host: the protocol (pure) and the shell that performs it (TRUST "Patch jobs")."""
