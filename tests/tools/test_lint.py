#!/usr/bin/python3
"""The lints: each must pass a tree that is in order and fail one that is not."""

import os
import subprocess
import tempfile
import unittest

import taptest

HELLO = "#include <spout.h>\n"


def lint(name, files):
    """The exit status and output of tools/lint/NAME on a tree of {path: text}."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as file:
                file.write(text)
        script = os.path.join(taptest.ROOT, "tools", "lint", name)
        done = subprocess.run([script, root], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr


class LintCase(unittest.TestCase):
    def assertPasses(self, name, files):
        status, output = lint(name, files)
        self.assertEqual(status, 0, output)

    def assertFails(self, name, files, complaint):
        status, output = lint(name, files)
        self.assertEqual(status, 1, output)
        self.assertIn(complaint, output)


class Layers(LintCase):
    def test_downwards(self):
        self.assertPasses("layers", {
            "src/base/text.h": "", "src/loop/loop.h": '#include "base/text.h"\n',
            "src/net/socket.c": '#include "loop/loop.h"\n#include <spout/error.h>\n#include <sys/socket.h>\n'})

    def test_upwards(self):
        self.assertFails("layers", {"src/net/a.c": '#include "http/b.h"\n', "src/http/b.h": ""},
                         "src/net/a.c:1: net must not include http/b.h (http)")

    def test_sideways(self):
        self.assertFails("layers", {"src/template/a.c": '#include "loop/b.h"\n', "src/loop/b.h": ""},
                         "template must not include")

    def test_nobody_includes_testing(self):
        self.assertFails("layers", {"src/web/a.c": '# include "testing/b.h"\n', "src/testing/b.h": ""},
                         "web must not include")

    def test_by_way_of_a_relative_path(self):
        self.assertFails("layers", {"src/base/a.c": '#include "../loop/b.h"\n', "src/loop/b.h": ""},
                         "base must not include")

    def test_by_way_of_a_public_header(self):
        self.assertFails("layers", {"src/base/a.c": "#include <spout/loop.h>\n"}, "base must not include")

    def test_public_headers_too(self):
        self.assertFails("layers", {"include/spout/base.h": "#include <spout/loop.h>\n"}, "base must not include")

    def test_umbrella_is_not_for_the_library(self):
        self.assertFails("layers", {"src/web/a.c": "#include <spout.h>\n"}, "web must not include")

    def test_parser_knows_only_base(self):
        self.assertFails("layers", {"src/http/request_parser.c": '#include "loop/b.h"\n', "src/loop/b.h": ""},
                         "a parser includes only base")

    def test_parsers_may_include_one_another(self):
        self.assertPasses("layers", {"src/http/head.c": '#include "http/head.h"\n#include "token.h"\n',
                                     "src/http/head.h": '#include "base/a.h"\n', "src/http/token.h": "",
                                     "src/base/a.h": ""})

    def test_parser_must_not_include_its_own_floor(self):
        self.assertFails("layers", {"src/http/head.c": '#include "http/server.h"\n', "src/http/server.h": ""},
                         "a parser includes only base")

    def test_unknown_floor(self):
        self.assertFails("layers", {"src/attic/a.c": ""}, "attic is not a floor")

    def test_unlisted_public_header(self):
        self.assertFails("layers", {"include/spout/novelty.h": ""}, "has no floor")


class Headers(LintCase):
    def test_self_contained(self):
        self.assertPasses("headers", {"include/spout/a.h": "#pragma once\n#include <stddef.h>\nsize_t spout_a(void);\n"})

    def test_leans_on_its_includer(self):
        self.assertFails("headers", {"include/spout/a.h": "size_t spout_a(void);\n"}, "<spout/a.h> alone as c11")

    def test_not_cplusplus(self):
        status, output = lint("headers", {"include/spout/a.h": "#pragma once\nvoid spout_a(int class);\n"})
        self.assertEqual(status, 1)
        self.assertIn("\nok 1 - <spout/a.h> alone as c11", "\n" + output)
        self.assertIn("not ok 3 - <spout/a.h> alone as c++17", output)


class Banned(LintCase):
    def test_call(self):
        self.assertFails("banned", {"src/base/a.c": "void f(char *a)\n{\n    strcpy(a, a);\n}\n"},
                         "src/base/a.c:3: strcpy(")

    def test_comparison(self):
        self.assertFails("banned", {"src/base/a.c": "int f(int a) { return a == -1; }\n"}, "test for failure with < 0")

    def test_comments_strings_and_longer_names(self):
        self.assertPasses("banned", {"src/base/a.c": '/* gets(x) */ const char *a = "strcpy(";\n'
                                                     "void f(void) { spi_strcat(); }\n"})


class Docs(LintCase):
    def tree(self, readme="```c\n" + HELLO + "```\n", **more):
        return {"README.md": readme, "demos/helloworld.c": HELLO, **more}

    def test_in_order(self):
        self.assertPasses("docs", self.tree("```c\n" + HELLO + "```\n[here](demos/helloworld.c#L1)\n"))

    def test_hello_world_differs(self):
        self.assertFails("docs", self.tree("```c\nint a;\n```\n"), "not ok 1")

    def test_dead_link(self):
        self.assertFails("docs", self.tree("```c\n" + HELLO + "```\n[gone](docs/gone.md)\n"), "leads to docs/gone.md")

    def test_name_that_no_header_has(self):
        page = "```c\n" + HELLO + "```\nCall `spout_sleep` or `spout_sleep_ms`; `spout_sleep_` is a prefix.\n"
        header = {"include/spout/task.h": "int spout_sleep(void);\n"}
        self.assertFails("docs", self.tree(page, **header), "README.md:4: no header has spout_sleep_ms")
        self.assertPasses("docs", self.tree(page.replace("_ms", ""), **header))
        header["include/spout/task.h"] += "/* like spout_snooze */\n"
        self.assertFails("docs", self.tree(page.replace("_ms", ""), **header), "include/spout/task.h:2: no header has spout_snooze")

    def test_machine_path(self):
        self.assertFails("docs", self.tree(**{"notes.txt": "see /" + "home/someone/x\n"}), "notes.txt:1")


class Names(LintCase):
    def page(self, text, tests=""):
        return {"docs/from-tornado.md": text, "tests/names/tornado-names.txt": "# about\n\ngen sleep\ngen moment\nweb url\n",
                "tests/names/tornado-tests.txt": tests, "include/spout/task.h": "int spout_sleep(void);",
                "tests/loop/test_wait.c": "static void sleep_takes_time(void)"}

    WHOLE = "### gen\n| `sleep`, `moment` | `spout_sleep` |\n### Later\n`web`\n"

    def test_in_order(self):
        self.assertPasses("names", self.page(self.WHOLE))

    def test_unmapped(self):
        self.assertFails("names", self.page("### gen\n| `sleep` | x |\n### Later\n`web`\n"), "gen: nothing is said of moment")

    def test_unknown(self):
        self.assertFails("names", self.page(self.WHOLE.replace("`moment`", "`moment`, `slep`")), "gen has no slep")

    def test_twice(self):
        self.assertFails("names", self.page(self.WHOLE.replace("`moment`", "`moment`, `sleep`")), "sleep stands there twice")

    def test_module_forgotten(self):
        self.assertFails("names", self.page(self.WHOLE.replace("`web`", "")), "says nothing of web")

    def test_module_finished_and_for_later(self):
        self.assertFails("names", self.page(self.WHOLE + "`gen`"), "gen is not for later")

    def test_symbol_that_no_header_has(self):
        self.assertFails("names", self.page(self.WHOLE.replace("spout_sleep", "spout_slep")), "no header has spout_slep")

    def test_tests(self):
        text = self.WHOLE + "### wait_test\n| `Sleep.nap` | `loop/test_wait.c`: sleep_takes_time |\n"
        self.assertPasses("names", self.page(text, "wait_test Sleep.nap\n"))
        self.assertFails("names", self.page(text.replace("takes", "makes"), "wait_test Sleep.nap\n"), "has no sleep_makes_time")
        self.assertFails("names", self.page(text.replace("_wait", "_weight"), "wait_test Sleep.nap\n"), "there is no tests/")


taptest.main()
