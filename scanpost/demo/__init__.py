"""The whole way of a scan on one machine: virtual devices, real daemons, a real broker, books.

Also what the journeys under `tests/` are played on: nothing here is a mock but the devices.
"""
