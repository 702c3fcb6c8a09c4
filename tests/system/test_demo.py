"""The demo stops whole when its terminal is closed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.system.manager import free_port


def test_closing_its_terminal_leaves_no_database_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from patch_manager.cli import main; raise SystemExit(main())", "demo"]
    command += ["--hosts", "0", "--bind", f"127.0.0.1:{free_port()}", "--data-dir", str(tmp_path / "a demo")]
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    postmaster = tmp_path / "a demo" / "data" / "postgres" / "cluster" / "postmaster.pid"
    try:
        assert demo.stdout is not None
        assert any("Ctrl-C stops the demo" in line for line in demo.stdout)
        assert postmaster.exists()
        demo.send_signal(signal.SIGHUP)
        assert demo.wait(60) == 0
        assert not postmaster.exists()  # PostgreSQL takes it away as its last act
    finally:
        demo.kill()
        demo.communicate()  # closes the pipe too
