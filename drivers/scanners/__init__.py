"""Barcode scanners: one file for each way they speak. A driver does no I/O."""
