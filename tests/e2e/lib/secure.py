"""Programs that speak TLS, and clients for them."""

import json
import os
import re
import ssl
import subprocess
import unittest

from .certificates import Certificates
from .client import connect
from .server import BUILD, PATIENCE, Server


def run(*command, text_in="", patience=PATIENCE, env=None):
    return subprocess.run(command, input=text_in, capture_output=True, text=True, timeout=patience, env=env, check=False)


def memory_of(server):
    with open(f"/proc/{server.pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) * 1024


def is_sanitized():
    """Then memory is the sanitizer's: freed blocks are kept for a while."""
    with open(os.path.join(BUILD, "meson-info", "intro-buildoptions.json"), encoding="utf-8") as file:
        return any(option["name"] == "b_sanitize" and option["value"] != "none" for option in json.load(file))


class Secure(Server):
    """A program with --tls-port=0; `tls_port` is read from its log."""

    def __init__(self, name, certificates, *arguments, cert="server", **more):
        super().__init__(name, "--tls-port=0", *certificates.options(cert), *arguments, **more)
        self.tls_port = int(self.wait_for_line(r"listening on \S+:(\d+) \(TLS\)$")[1])


class SecureTest(unittest.TestCase):
    """A test class with an authority and certificates of its own."""

    @classmethod
    def setUpClass(cls):
        cls.certificates = Certificates()

    @classmethod
    def tearDownClass(cls):
        cls.certificates.__exit__()

    def context(self):
        return ssl.create_default_context(cafile=self.certificates.cert("ca"))

    def open(self, port):
        """An end without close_notify is an error."""
        return self.context().wrap_socket(connect(port), server_hostname="localhost", suppress_ragged_eofs=False)

    def curl(self, *arguments):
        return run("curl", "-sS", "--cacert", self.certificates.cert("ca"), "--max-time", str(PATIENCE), *arguments)
