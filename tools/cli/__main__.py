"""`python -m lerarlink.tools.cli` is `lerar`."""

from __future__ import annotations

from . import main

# Worker processes import this module anew under another name; they must not run the command again.
if __name__ == "__main__":
    main()
