"""What the end-to-end tests share: programs under test, an HTTP and a WebSocket client that can also misbehave, TAP."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))

import taptest  # noqa: E402


def run():
    """Runs the unittest cases of the calling program; its only argument is the build directory."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} BUILD_DIRECTORY")
    taptest.main()
