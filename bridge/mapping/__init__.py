"""Mapping tables: what the stations say, in the words of the ERP, as a person edits them.

One folder: `mapping.toml` for the few things (`bridge.mapping.rules`), and CSV files for the many:
`items.csv`, `units.csv`, `locations.csv`. Everything is exact or refused, nothing is rounded.
"""
