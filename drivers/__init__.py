"""Devices as pure dialogues over bytes, and the one loop that talks to them. Knows no stock."""
