# SPDX-License-Identifier: Apache-2.0
"""libzinit as others get it: installed, found by pkg-config, compiled against, linked both ways; nothing visible but its promise."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from harness.server import BUILD

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLE = ROOT / "clients/c/restart.c"
PROMISED = set(re.findall(r"^\t(zinit_\w+);", (ROOT / "src/client/libzinit.map").read_text(), re.M))


def run(*command, **options):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, **options)
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Our files of `meson install`, below a directory."""
    for tool in ("meson", "pkg-config", "cc", "nm"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not at hand")
    if not (BUILD / "build.ninja").exists():
        pytest.skip(f"{BUILD} is not a build directory of meson")
    place = tmp_path_factory.mktemp("dest")
    meson = "/usr/bin/meson" if pathlib.Path("/usr/bin/meson").exists() else "meson"
    run(meson, "install", "-C", BUILD, "--no-rebuild", "--destdir", place)
    return place


@pytest.fixture(scope="module")
def package(installed):
    """pkg-config for that tree."""
    file = next(installed.rglob("libzinit.pc"))
    environment = {**os.environ, "PKG_CONFIG_PATH": str(file.parent), "PKG_CONFIG_SYSROOT_DIR": str(installed)}

    def ask(*options):
        return run("pkg-config", *options, "libzinit", env=environment).split()
    return ask


def visible(path, *options):
    symbols = run("nm", "-g", "--defined-only", *options, path)
    return {line.split()[-1].split("@")[0] for line in symbols.splitlines() if len(line.split()) == 3 and line.split()[1] != "A"}


def test_nothing_is_visible_but_the_promise(installed):
    assert len(PROMISED) > 10
    assert visible(next(installed.rglob("libzinit.so")), "-D") == PROMISED
    archive = next(installed.rglob("libzinit.a"), None)
    if archive:  # sanitizer builds have none
        assert visible(archive) == PROMISED
    assert "libzinit.so.0" in run("readelf", "-d", next(installed.rglob("libzinit.so")))


def test_header_and_promise_name_the_same(installed):
    header = next(installed.rglob("zinit.h")).read_text()
    declared = set(re.findall(r"^[a-z].*?\b(zinit_\w+)\(", header, re.M))
    assert declared == PROMISED


@pytest.mark.parametrize("compiler, source", [("cc", "c"), ("c++", "c++")])
def test_header_stands_alone(installed, package, compiler, source, tmp_path):
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not at hand")
    run(compiler, "-x", source, "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", *package("--cflags"), "-include", "zinit.h", "/dev/null")


@pytest.mark.parametrize("how", ["shared", "static"])
def test_example(installed, package, server, tmp_path, how):
    program = tmp_path / "restart"
    libraries = package("--libs")
    environment = server.environment({"ZINIT_SOCKET": str(server.socket)})
    sanitized = "sanitize" in run("nm", "-D", next(installed.rglob("libzinit.so"))) or "__asan" in run("nm", "-D", next(installed.rglob("libzinit.so")))
    if how == "static":
        archive = next(installed.rglob("libzinit.a"), None)
        if not archive:
            pytest.skip("this build has no static library")
        libraries = [str(archive), *[word for word in libraries if word != "-lzinit"]]
    elif sanitized:
        pytest.skip("a library with a sanitizer needs a program with it")
    run("cc", "-std=c17", "-Wall", "-Wextra", "-Werror", EXAMPLE, "-o", program, *package("--cflags"), *libraries)
    environment["LD_LIBRARY_PATH"] = str(next(installed.rglob("libzinit.so")).parent)
    server.add("web", "echo one; echo two; exec sleep 1000")
    server.start()
    server.wait_line("web", "two")
    assert run(program, "web", 2, env=environment).splitlines() in (["web is running", "one", "two"], ["one", "two", "web is running"],
                                                                   ["one", "web is running", "two"])
    refused = subprocess.run([str(program), "wbe", "1"], env=environment, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 3 and "service not found: wbe" in refused.stderr and "web" in refused.stderr
