"""The internal certificate authority and the TLS contexts made from it."""
