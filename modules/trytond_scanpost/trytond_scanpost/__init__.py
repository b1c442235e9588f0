"""Books what Scanpost sends, each transaction once, by a unique key."""
