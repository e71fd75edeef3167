"""What the lints share: which files belong to the project, C without its comments and strings, and TAP."""

import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

_NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
_NOT_OURS = re.compile(r"^(\.git|build.*|node_modules|__pycache__)$")


def files(*suffixes, under="", root=ROOT):
    """The project's files with one of these endings (none: all), as sorted paths relative to the root."""
    found = _listed_by_git(root) if os.path.isdir(os.path.join(root, ".git")) else _walked(root)
    return sorted(path for path in found
                  if path.startswith(under) and (not suffixes or path.endswith(suffixes))
                  and os.path.isfile(os.path.join(root, path)))


def _listed_by_git(root):
    command = ["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z", "-co", "--exclude-standard"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")[:-1]


def _walked(root):
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not _NOT_OURS.match(name)]
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), root)


def read(path, root=ROOT):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def code_of(text):
    """C text with comments and literals blanked, line breaks kept, so that line numbers hold."""
    return _NOISE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def finish(name, complaints):
    """Prints one TAP result and returns the exit status."""
    print("1..1")
    for complaint in complaints:
        print("# " + complaint)
    print(("not ok" if complaints else "ok") + f" 1 - {name}")
    return 1 if complaints else 0
