"""The daemon at the bench: devices in, committed transactions out."""
