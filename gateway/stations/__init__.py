"""One file for each job of a bench: the folder is the registry. All of them are pure."""
