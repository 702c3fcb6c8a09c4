"""The internal certificate authority: issuing, revocation, sealed secrets and TLS contexts."""
