#!/usr/bin/python3
"""A thorough scan by testssl.sh: no weak protocol, no weak cipher, none of the flaws that it knows. It takes a minute."""

import json
import shutil
import unittest

import lib
from lib.secure import Secure, SecureTest, run

SCANNER = shutil.which("testssl") or shutil.which("testssl.sh")
# About the test's own certificate, the scanner's openssl, and what a page's author decides.
NOT_OURS = ("cert", "engine_problem", "HSTS", "security_headers", "overall_grade", "grade_cap_reason", "scanTime", "DNS_CAArecord")


@unittest.skipUnless(SCANNER, "testssl.sh is not installed")
class TlsScan(SecureTest):
    def test_no_known_flaw(self):
        out = self.certificates.path("scan.json")
        with Secure("helloworld", self.certificates, "--logging=info") as server:
            done = run(SCANNER, "--quiet", "--nodns=none", "--ip=127.0.0.1", "--warnings=off", "--color=0", "--jsonfile", out,
                       f"localhost:{server.tls_port}", patience=560)
        with open(out, encoding="utf-8") as file:
            findings = {item["id"]: item for item in json.load(file)}
        self.assertIn("TLS1_3", findings, done.stdout + done.stderr)
        for flaw in ("heartbleed", "CCS", "ticketbleed", "ROBOT", "secure_client_renego", "CRIME_TLS", "POODLE_SSL", "SWEET32",
                     "FREAK", "DROWN", "LOGJAM", "BEAST", "LUCKY13", "RC4"):
            self.assertEqual(findings[flaw]["severity"], "OK", findings[flaw])
        bad = {name: item["finding"] for name, item in findings.items()
               if item["severity"] in ("LOW", "MEDIUM", "HIGH", "CRITICAL", "FATAL") and not name.startswith(NOT_OURS)}
        self.assertEqual(bad, {})


if __name__ == "__main__":
    lib.run()
