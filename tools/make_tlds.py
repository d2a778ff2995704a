"""Makes src/noroshi/wire/data/tlds.txt, the top-level domains that tell a name from a file.

    python tools/make_tlds.py LIST

LIST is IANA's own list (tlds-alpha-by-domain.txt: a comment and one name a line) or a copy of it as a MISP
warninglist (lists/tlds/list.json, CC0). Same list, same bytes. See src/noroshi/wire/data/SOURCE.md.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

OUT = Path(__file__).resolve().parents[1] / "src/noroshi/wire/data/tlds.txt"


def main(path: str) -> None:
    """Reads the list, writes the file."""
    text = Path(path).read_text("utf-8")
    names = json.loads(text)["list"] if text.lstrip().startswith("{") else text.split("\n")
    labels = sorted({n.strip().lower() for n in names if re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", n.strip())})
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text("\n".join(labels) + "\n", "ascii")


if __name__ == "__main__":
    main(sys.argv[1])
