# SPDX-License-Identifier: GPL-2.0-only
"""rdma-core's own Python tests, unmodified, of the version that a suite has."""

import shutil

import image
from common import LabError, cache_dir, locked, run, step, suite_dir


def version(suite):
    """Of the source package that the suite's python3-pyverbs was built from."""
    return run(["dpkg-query", f"--admindir={image.image_dir(suite)}/rootfs/var/lib/dpkg",
                "-W", "-f=${source:Version}", "python3-pyverbs"]).strip()


def download(suite, release, work):
    """The upstream tarball, by apt, which checks its signatures."""
    root = image.image_dir(suite) / "rootfs"
    (work / "lists/partial").mkdir(parents=True)
    sources = work / "sources.list"
    sources.write_text("".join(line.replace("deb ", "deb-src ", 1) + "\n"
                               for line in image.sources(suite)))
    apt = ["apt-get", "-o", f"Dir={root}", "-o", f"Dir::Cache={work}",
           "-o", "Dir::Bin::methods=/usr/lib/apt/methods",
           "-o", f"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=-",
           "-o", f"Dir::State::lists={work}/lists",
           "-o", f"Dir::State::status={root}/var/lib/dpkg/status",
           "-o", "Acquire::Check-Valid-Until=false", "-o", "Acquire::Retries=5",
           "-o", "APT::Sandbox::User=root"]
    run([*apt, "update"], cwd=work)
    run([*apt, "source", "--download-only", "--tar-only", f"rdma-core={release}"], cwd=work)
    return next(work.glob("rdma-core_*.orig.tar.*"))


def unpack(suite, release, cached):
    """The directory `tests` of the tarball, as `cached`."""
    work = cached.with_name("pyverbs.part")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    step("build", f"{suite}: the Python tests of rdma-core {release}")
    tar = download(suite, release, work)
    run(["tar", "-xf", tar, "-C", work, "--strip-components=1", "--wildcards", "*/tests"])
    (work / "tests").rename(cached)
    shutil.rmtree(work)


def ensure(suite):
    """out/pyverbs: rdma-core's tests. Where they cannot be had, their test is skipped."""
    release = version(suite)
    cached = cache_dir() / suite / f"pyverbs.{release}"
    try:
        with locked(cache_dir() / f".{suite}.pyverbs.lock", "the Python tests"):
            if not cached.exists():
                unpack(suite, release, cached)
    except (LabError, OSError) as e:
        step("build", f"{suite}: no Python tests of rdma-core: {e}")
        return
    out = suite_dir(suite) / "out/pyverbs"
    if not out.exists() or (out / ".version").read_text() != release:
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(cached, out)
        (out / ".version").write_text(release)
