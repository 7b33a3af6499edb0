#!/usr/bin/env python3
"""pollux-httpd of an ordinary user, who has a network of his own by `unshare -Urn`."""

import os
import shutil
import unittest

import lab
import runner

NOBODY = 65534


class Rootless(lab.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The program may lie where only root may look.
        cls.httpd = shutil.copy(lab.program("pollux-httpd"), cls.path("pollux-httpd"))
        os.chmod(cls.httpd, 0o755)
        cls.report = cls.write("report.json", b"")
        cls.user = ()
        if lab.REAL_ROOT:
            os.chown(cls.report, NOBODY, NOBODY)
            cls.user = (lab.tool("setpriv", "util-linux"), f"--reuid={NOBODY}",
                        f"--regid={NOBODY}", "--clear-groups")
        cls.unshare = lab.tool("unshare", "util-linux")
        code, _, err = lab.run(*cls.user, cls.unshare, "-Urn", "test", "-w", "/dev/net/tun")
        if code != 0:
            raise unittest.SkipTest("an ordinary user has no user namespace, or may not open "
                                    f"/dev/net/tun in it: {err.strip()}")

    def test_serves_curl_on_a_tap(self):
        curl = lab.tool("curl")
        httpd = self.process(*self.user, self.unshare, "-Urn", self.httpd, "--device", "tap:px0",
                             "--address", "10.0.0.1/24", "--json", self.report, *lab.SMALL)
        httpd.until(lambda: "memory:" in httpd.out, "the banner")
        inside = (lab.tool("nsenter", "util-linux"), "-t", str(httpd.pid), "-U", "-n",
                  "--preserve-credentials", "--")
        lab.must(*self.user, *inside, "ip", "addr", "add", "10.0.0.2/24", "dev", "px0")
        lab.must(*self.user, *inside, "ip", "link", "set", "px0", "up")
        code, out, err = lab.run(*self.user, *inside, curl, "-sS", "-m", "60", "--retry", "3",
                                 "-H", "Connection: close", "-o", "/dev/null",
                                 "-w", "%{http_code}\n", "http://10.0.0.1/[1-100]")
        self.assertEqual((code, err, out.split()), (0, "", ["200"] * 100))
        code, out, err = lab.run(*self.user, *inside, curl, "-sS", "-m", "60",
                                 "http://10.0.0.1/bytes/502")
        self.assertEqual((code, err, len(out)), (0, "", 502))
        self.assertEqual(httpd.stop(), 0, httpd.story())
        self.assertEqual(httpd.err, "")
        summary = lab.json_of(self.report)
        self.assert_sums(summary)
        self.assertGreaterEqual(summary["connections"]["completed"], 101)
        self.assertEqual(summary["connections"]["failed"], 0)

    @unittest.skipUnless(lab.REAL_ROOT, "needs root, to be sure of who is not")
    def test_says_what_an_ordinary_user_may_not_do(self):
        """Without a namespace: he may not make an interface, and hears it in one line."""
        code, out, err = lab.run(*self.user, self.httpd, "--device", "tap:px9", "--address",
                                 "10.0.0.1/24", *lab.SMALL, "--duration", "0.1")
        self.assertEqual((code, out), (3, ""), err)
        self.assertRegex(err, r"\Aerror: --device tap:px9: [^\n]+; try: [^\n]+\n\Z")


if __name__ == "__main__":
    runner.main(lab.need_tun)
