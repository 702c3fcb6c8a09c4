"""Standing policies: the scan that carries them out, and what they would do and did."""
