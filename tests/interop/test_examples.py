#!/usr/bin/env python3
"""The programs of examples/, built with the installed library alone: they do what they are for."""

import ftplib
import hashlib
import io
import os
import signal
import socket
import subprocess

import installed
import lab
import runner

SERVER = "10.0.0.1"
OURS = "10.0.0.2"
MIB = 1 << 20
BIG = 50 * MIB
HELLO = b"Hello from a file.\n"


class Echo(lab.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = installed.site()
        cls.server = os.path.join(cls.site.example("echo"), "echo-server")
        cls.client = os.path.join(cls.site.example("echo"), "echo-client")

    def test_what_goes_in_comes_back(self):
        link = self.path("echo.sock")
        server = self.process(self.server, f"memif:{link},role=server", "10.0.0.1/24",
                              env=self.site.environment)
        server.until(lambda: os.path.exists(link), "the server's socket")
        sent, back = self.write("sent", os.urandom(3 * MIB)), self.path("back")
        with open(sent, "rb") as words, open(back, "wb") as answer:
            code = subprocess.run((self.client, f"memif:{link},role=client", "10.0.0.2/24", SERVER),
                                  stdin=words, stdout=answer, timeout=2 * lab.PATIENCE,
                                  env=self.site.environment, check=False).returncode
        self.assertEqual(code, 0)
        self.assertEqual(digest(sent), digest(back))
        self.assertEqual(server.stop(), 0, server.story())

    def test_wrong_words_are_one_line(self):
        for words in (("nonsense", "10.0.0.1/24"), ("tap:px9", "10.0.0.1")):
            code, _, err = lab.run(self.server, *words, env=self.site.environment)
            self.assertEqual(code, 2, err)
            self.assertRegex(err, r"\Aerror: .*: .*; try: .*\n\Z")


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Ftp(lab.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = installed.site()
        cls.served = cls.path("served")
        os.makedirs(os.path.join(cls.served, "folder", "below"))
        os.mkdir(os.path.join(cls.served, "many"))
        for i in range(6000):  # a listing that is larger than a send queue
            open(os.path.join(cls.served, "many", f"a-file-with-a-long-name-{i:06}"), "wb").close()
        cls.write("served/hello.txt", HELLO)
        cls.write("served/folder/inner.txt", HELLO)
        cls.write("outside.txt", b"secret\n")
        cls.write("served/big.bin", os.urandom(BIG))
        cls.big = digest(cls.path("served/big.bin"))
        os.symlink("hello.txt", os.path.join(cls.served, "inward"))
        os.symlink("../outside.txt", os.path.join(cls.served, "outward"))
        os.symlink("/etc", os.path.join(cls.served, "away"))
        os.mkfifo(os.path.join(cls.served, "pipe"))
        cls.ns = cls.namespace()
        cls.server = cls.class_process(os.path.join(cls.site.example("ftpd"), "ftpd"), "tap:pf0",
                                       f"{SERVER}/24", cls.served, namespace=cls.ns,
                                       env=cls.site.environment)
        cls.server.until(lambda: cls.ns.has("pf0"), "the tap")
        cls.ns.must("ip", "addr", "add", f"{OURS}/24", "dev", "pf0")
        cls.ns.must("ip", "link", "set", "pf0", "up")
        cls.server.until(lambda: lab.answers(cls.ns, SERVER, 21), "an answer over the tap")

    def tearDown(self):
        self.assertTrue(self.server.alive(), self.server.story())

    def log_in(self):
        ftp = ftplib.FTP(timeout=lab.PATIENCE)
        self.addCleanup(ftp.close)
        ftp.connect(SERVER)
        ftp.login()
        return ftp

    def refused(self, code, ftp, command):
        with self.assertRaises(ftplib.Error) as caught:
            ftp.sendcmd(command)
        self.assertTrue(str(caught.exception).startswith(str(code)), (command, caught.exception))

    # --- curl

    def fetch(self, *options):
        out = self.path("fetched")
        self.addCleanup(lambda: os.path.exists(out) and os.remove(out))
        code, _, err = self.ns.run(lab.tool("curl"), "-sS", *options, "-o", out,
                                   f"ftp://{SERVER}/big.bin", within=4 * lab.PATIENCE)
        self.assertEqual(code, 0, err)
        return digest(out)

    def test_curl_fetches_a_large_file_in_passive_mode(self):
        self.assertEqual(self.fetch(), self.big)

    def test_curl_fetches_a_large_file_in_active_mode(self):
        self.assertEqual(self.fetch("--ftp-port", "-"), self.big)

    def test_curl_resumes_a_broken_transfer(self):
        for mode in ((), ("--ftp-port", "-")):
            part = self.path("fetched")
            curl = self.process(lab.tool("curl"), "-sS", *mode, "--limit-rate", "20M", "-o", part,
                                f"ftp://{SERVER}/big.bin", namespace=self.ns)
            curl.until(lambda: os.path.exists(part) and os.path.getsize(part) > MIB, "a part of it")
            curl.tell(signal.SIGKILL)
            curl.wait()
            size = os.path.getsize(part)
            self.assertLess(size, BIG)
            self.assertEqual(self.fetch(*mode, "--continue-at", "-"), self.big)
            os.remove(part)

    def test_curl_lists_a_folder(self):
        for mode in ((), ("--ftp-port", "-")):
            text = self.ns.must(lab.tool("curl"), "-sS", *mode, f"ftp://{SERVER}/")
            self.assertRegex(text, r"(?m)^-rw-r--r-- .* 52428800 .* big\.bin$")
            self.assertRegex(text, r"(?m)^drwxr-xr-x .* folder$")
            self.assertNotIn("outward", text)
            names = self.ns.must(lab.tool("curl"), "-sS", "-l", *mode, f"ftp://{SERVER}/folder/")
            self.assertEqual(sorted(names.split()), ["below", "inner.txt"])

    def test_a_listing_larger_than_the_send_queue(self):
        names = self.ns.must(lab.tool("curl"), "-sS", f"ftp://{SERVER}/many/").splitlines()
        self.assertEqual(len(names), 6000)

    def test_there_is_no_way_out(self):
        for path in ("../outside.txt", "folder/../../outside.txt", "outward", "away/passwd",
                     "/etc/passwd", "//etc/passwd"):
            code, out, _ = self.ns.run(lab.tool("curl"), "-sS", "--path-as-is",
                                       f"ftp://{SERVER}/{path}")
            self.assertNotEqual(code, 0, path)
            self.assertEqual(out, "", path)

    # --- lftp

    def lftp(self, commands, passive):
        code, out, err = self.ns.run(
            lab.tool("lftp"), "-c",
            f"set ftp:passive-mode {'on' if passive else 'off'}; set net:max-retries 2; "
            f"open {SERVER}; {commands}", within=4 * lab.PATIENCE, cwd=self.folder,
            env={**os.environ, "HOME": self.folder, "LFTP_HOME": self.folder})
        self.assertEqual(code, 0, err)
        return out

    def test_lftp_fetches_a_large_file_in_both_modes(self):
        for passive in (True, False):
            self.lftp("get big.bin -o whole", passive)
            self.assertEqual(digest(self.path("whole")), self.big)
            os.remove(self.path("whole"))

    def test_lftp_resumes_a_part_in_both_modes(self):
        for passive in (True, False):
            with open(self.path("served/big.bin"), "rb") as whole:
                self.write("part", whole.read(7 * MIB + 13))
            self.lftp("get -c big.bin -o part", passive)
            self.assertEqual(digest(self.path("part")), self.big)
            os.remove(self.path("part"))

    def test_lftp_lists_a_folder_in_both_modes(self):
        for passive in (True, False):
            self.assertRegex(self.lftp("cls -l", passive), r"52428800.* big\.bin")
            self.assertEqual(self.lftp("cd folder; cls -1", passive).split(),
                             ["below/", "inner.txt"])

    # --- what those two do not come to

    def test_a_user_moves_about(self):
        with self.ns:
            ftp = self.log_in()
            self.assertEqual(ftp.pwd(), "/")
            ftp.cwd("folder/below")
            self.assertEqual(ftp.pwd(), "/folder/below")
            ftp.cwd("..")
            self.assertEqual(sorted(ftp.nlst()), ["below", "inner.txt"])
            for _ in range(3):
                ftp.sendcmd("CDUP")
            self.assertEqual(ftp.pwd(), "/")
            ftp.voidcmd("TYPE I")
            self.assertEqual(ftp.size("folder/inner.txt"), len(HELLO))
            got = io.BytesIO()
            ftp.retrbinary("RETR inward", got.write, rest=6)
            self.assertEqual(got.getvalue(), HELLO[6:])
            self.assertTrue(ftp.quit().startswith("221"))

    def test_refusals_say_why(self):
        with self.ns:
            ftp = ftplib.FTP(timeout=lab.PATIENCE)
            self.addCleanup(ftp.close)
            ftp.connect(SERVER)
            self.refused(530, ftp, "RETR hello.txt")
            ftp.login()
            for code, command in (
                    (425, "RETR hello.txt"), (550, "RETR nobody.txt"), (550, "RETR folder"),
                    (550, "RETR pipe"), (550, "RETR outward"), (550, "CWD hello.txt"),
                    (550, "CWD away"), (550, "SIZE ../outside.txt"), (502, "STOR hello.txt"),
                    (501, "REST x"), (501, "REST -1"), (501, "PORT 10,0,0,2,4"),
                    (501, "PORT 10,0,0,256,4,5"), (501, "PORT 10,0,0,2,40,5,"),
                    (504, "PORT 10,0,0,9,40,5"), (504, "PORT 10,0,0,2,0,80"), (504, "MODE B"),
                    (504, "TYPE E")):
                self.refused(code, ftp, command)
            ftp.makepasv()
            ftp.sendcmd("REST 20")
            self.refused(554, ftp, "RETR hello.txt")

    def test_nobody_listens_for_an_active_open(self):
        with self.ns, socket.socket() as free:
            free.bind((OURS, 0))  # and does not listen
            ftp = self.log_in()
            ftp.sendport(OURS, free.getsockname()[1])
            self.refused(425, ftp, "RETR hello.txt")
            self.assertTrue(ftp.sendcmd("NOOP").startswith("200"))

    def test_a_user_who_leaves_in_the_middle_harms_nobody(self):
        with self.ns:
            for _ in range(20):
                ftp = self.log_in()
                data = ftp.transfercmd("RETR big.bin")
                self.assertEqual(len(data.makefile("rb").read(1000)), 1000)
                ftp.close()
                data.close()
            ftp = self.log_in()
            got = io.BytesIO()
            ftp.retrbinary("RETR hello.txt", got.write)
            self.assertEqual(got.getvalue(), HELLO)

    def test_a_broken_data_connection_is_told_and_the_next_one_works(self):
        with self.ns:
            ftp = self.log_in()
            data = ftp.transfercmd("RETR big.bin")
            data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            data.close()
            with self.assertRaises(ftplib.error_temp) as caught:
                ftp.voidresp()
            self.assertTrue(str(caught.exception).startswith("426"), caught.exception)
            got = io.BytesIO()
            ftp.retrbinary("RETR hello.txt", got.write)
            self.assertEqual(got.getvalue(), HELLO)

    def test_many_users_at_once(self):
        with self.ns:
            users = [self.log_in() for _ in range(30)]
            transfers = [ftp.transfercmd("RETR big.bin") for ftp in users]
            for ftp, data in zip(users, transfers):
                self.assertEqual(len(data.makefile("rb").read(100_000)), 100_000)
            for ftp, data in zip(users, transfers):
                data.close()
                ftp.close()

    def test_commands_may_come_in_one_piece(self):
        with self.ns.connect(SERVER, 21) as control:
            control.sendall(b"user x\r\nPASS y\r\nNOOP\nQUIT\r\n")
            text = b""
            while piece := control.recv(4096):
                text += piece
            self.assertEqual([line[:3] for line in text.splitlines()],
                             [b"220", b"331", b"230", b"200", b"221"])

    def test_a_line_without_an_end_is_refused(self):
        with self.ns.connect(SERVER, 21) as control:
            control.sendall(b"x" * 2000)
            text = b""
            try:
                while piece := control.recv(4096):
                    text += piece
            except ConnectionResetError:  # the rest was not read
                pass
            self.assertIn(b"500 ", text)


if __name__ == "__main__":
    runner.main(lab.need_tun)
