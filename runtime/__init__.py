"""Helpers that know nothing of stock, each named after its one job."""
