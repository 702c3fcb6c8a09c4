"""Pin dependencies anew: one universal resolution for Python 3.11 to 3.13, with hashes and without addresses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Compile each requirements/*.in beside itself."""
    uv = Path(sys.executable).with_name("uv")
    for source in ("runtime", "dev", "node"):
        command = [str(uv), "pip", "compile", "--universal", "--python-version", "3.11", "--generate-hashes"]
        command += ["--no-header", "--quiet", f"requirements/{source}.in", "-o", f"requirements/{source}.txt"]
        subprocess.run(command, cwd=ROOT, check=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
