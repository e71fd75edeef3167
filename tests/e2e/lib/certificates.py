"""Certificates made on the spot by the openssl command, in a folder that goes away with the test."""

import os
import subprocess
import tempfile


class Certificates:
    """An authority `ca`, and what it or others sign: NAME.pem and NAME.key."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.make_authority("ca")
        self.make("server", "DNS:localhost,IP:127.0.0.1")

    def path(self, name):
        return os.path.join(self._folder.name, name)

    def cert(self, name):
        return self.path(name + ".pem")

    def key(self, name):
        return self.path(name + ".key")

    @staticmethod
    def _openssl(*arguments):
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"openssl {arguments[0]}: {done.stderr}")

    def _new_key(self, name):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key(name))

    def make_authority(self, name):
        self._openssl("req", "-x509", "-subj", f"/CN={name}", "-days", "30", "-out", self.cert(name), *self._new_key(name))

    def make(self, name, names, ca="ca", days=30):
        """A certificate of an authority for `names`, as in "DNS:localhost". Replaces one of that name."""
        self._openssl("req", "-subj", f"/CN={name}", "-out", self.path(name + ".csr"), *self._new_key(name))
        with open(self.path("names"), "w", encoding="ascii") as file:
            file.write(f"subjectAltName={names}\n")
        self._openssl("x509", "-req", "-in", self.path(name + ".csr"), "-CA", self.cert(ca), "-CAkey", self.key(ca),
                      "-CAcreateserial", "-days", str(days), "-extfile", self.path("names"), "-out", self.cert(name))

    def options(self, name="server"):
        return (f"--tls-cert={self.cert(name)}", f"--tls-key={self.key(name)}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._folder.cleanup()
