"""One file for each ERP: the folder is the registry, and entry points serve outsiders."""
