"""Takes the scripts of others that pages load, from the npm registry: pinned, with their licences and digests.

python tools/vendor.py            # fetches them again (npm pack) and writes VENDOR.md
python tools/vendor.py --check    # no network: exit status 1 when a file is not the one VENDOR.md names
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENDOR = ROOT / "src/noroshi/web/static/vendor"
AXE = ROOT / "tests/web/e2e/axe"

# package, version, licence, where to, {file in the package: name here}
PACKAGES: tuple[tuple[str, str, str, Path, dict[str, str]], ...] = (
    ("htmx.org", "2.0.11", "0BSD", VENDOR, {"dist/htmx.min.js": "htmx.min.js", "LICENSE": "htmx.LICENSE.txt"}),
    ("uplot", "1.6.32", "MIT", VENDOR,
     {"dist/uPlot.iife.min.js": "uPlot.iife.min.js", "dist/uPlot.min.css": "uPlot.min.css",
      "LICENSE": "uPlot.LICENSE.txt"}),
    ("axe-core", "4.14.1", "MPL-2.0", AXE,
     {"axe.min.js": "axe.min.js", "LICENSE": "LICENSE", "LICENSE-3RD-PARTY.txt": "LICENSE-3RD-PARTY.txt"}),
)  # fmt: skip


def main() -> int:
    """Fetches or checks."""
    if "--check" in sys.argv:
        wrong = [str(f) for f in folders() if (f / "VENDOR.md").read_text() != page(f)]
        sys.stderr.write("".join(f"{f}: not as VENDOR.md says\n" for f in wrong))
        return bool(wrong)
    for name, version, _, folder, files in PACKAGES:
        with tempfile.TemporaryDirectory() as at:
            subprocess.run(["npm", "pack", f"{name}@{version}"], cwd=at, check=True, capture_output=True)
            with tarfile.open(next(Path(at).glob("*.tgz"))) as packed:
                for inside, outside in files.items():
                    found = packed.extractfile(f"package/{inside}")
                    assert found is not None, inside
                    folder.mkdir(parents=True, exist_ok=True)
                    (folder / outside).write_bytes(found.read())
    for folder in folders():
        (folder / "VENDOR.md").write_text(page(folder))
    return 0


def folders() -> list[Path]:
    """Where files go."""
    return list(dict.fromkeys(p[3] for p in PACKAGES))


def page(folder: Path) -> str:
    """VENDOR.md of a folder, from the files as they are."""
    lines = ["# Files of others\n", "Unchanged, from the npm registry by `tools/vendor.py`.\n",
             "| file | package | version | licence | SHA-256 |", "|---|---|---|---|---|"]  # fmt: skip
    for name, version, licence, where, files in PACKAGES:
        if where == folder:
            for file in files.values():
                digest = hashlib.sha256((folder / file).read_bytes()).hexdigest()
                lines.append(f"| {file} | {name} | {version} | {licence} | {digest} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
