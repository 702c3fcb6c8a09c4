"""Generated files: the API's description and the browser's types. ``--check`` fails when they are stale."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DESCRIPTION = ROOT / "frontend" / "openapi.json"
TYPES = ROOT / "frontend" / "src" / "api" / "schema.d.ts"


def types_from(description: Path, folder: Path) -> str:
    """The TypeScript types of a description."""
    out = folder / "schema.d.ts"
    command = [sys.executable, str(ROOT / "tools" / "setup.py"), "--npm", "exec", "--", "openapi-typescript"]
    subprocess.run([*command, str(description), "-o", str(out)], check=True, stdout=subprocess.DEVNULL)
    return out.read_text(encoding="utf-8")


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail when something is stale")
    check: bool = parser.parse_args().check

    from patch_manager.commands import openapi_document

    wanted = openapi_document()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fresh = folder / "openapi.json"
        fresh.write_text(wanted, encoding="utf-8")
        types = types_from(fresh, folder)
    stale = [
        path
        for path, text in ((DESCRIPTION, wanted), (TYPES, types))
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    if check and stale:
        names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
        print(f"stale: {names} (the API changed): run `make openapi` and commit", file=sys.stderr)
        return 1
    if not check:
        DESCRIPTION.write_text(wanted, encoding="utf-8")
        TYPES.write_text(types, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
