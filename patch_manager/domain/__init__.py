"""Types and pure rules that rooms share; no I/O."""
