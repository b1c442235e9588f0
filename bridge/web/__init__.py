"""The bridge's pages: health and metrics for machines, and the admin page for people who log in."""
