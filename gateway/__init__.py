"""The daemon at the bench: devices in, committed transactions out."""

import os
import sys
from pathlib import Path

from runtime.lightly import postpone

# 1.4 MB of a gateway's memory. paho imports an HTTP client to look for a proxy where PySocks is
# installed. pydantic looks through all installed packages for plug-ins that watch what is
# validated, and a bench wants none. uuid6 looks for its own version; what is not there, as Python's
# own python3xx.zip, is then taken for an archive, and all that can open archives is loaded.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
sys.path[:] = [at for at in sys.path if not at.endswith(".zip") or Path(at).exists()]
postpone("urllib.request", "zipfile", "tempfile", "csv")
