"""The gateway's own pages: the station screen, health, metrics, and signals as they are given."""
