"""Linux Patch Manager: keeps a fleet of Linux hosts patched through one actor per host."""

__version__ = "0.1.0"
