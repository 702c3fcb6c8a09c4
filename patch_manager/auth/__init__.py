"""Who is it, and may they: passwords, TOTP, tokens, sessions, the access policy."""
