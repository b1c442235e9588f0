"""The command `scanpost`: one door to every room."""
