"""Scales: one file for each protocol. A driver is what its bytes mean; it does no I/O."""
