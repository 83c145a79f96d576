# SPDX-License-Identifier: GPL-2.0-only
"""layers.py TOP BUILD: does the driver keep to its rooms? One line for each fault.

What calls what is read from the symbols of the build's objects (nm), what includes what from
the compiler's dependencies (ninja); only who includes a header directly, and the code that
only a kernel build compiles, are read as text.
"""

import os
import pathlib
import re
import subprocess
import sys

import rooms

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)
KERNEL = ("linux/", "net/", "asm/", "uapi/", "kunit/")


def room_of(name):
    """The deepest room that a file below mdev-driver/ lies in."""
    fits = [r for r in rooms.ROOMS if name.startswith(r + "/")]
    return max(fits, key=len) if fits else None


def may(user, used):
    """May a room use another one?"""
    return user == used or used in rooms.ROOMS[user]["on"]


def objects(build):
    """Pure file -> its object, of the user-space build."""
    found = {}
    for obj in pathlib.Path(build).glob("mdev-driver/user/libmhca-core.a.p/*.o"):
        name = obj.name.partition("mdev-driver_")[2].removesuffix(".c.o")
        found[name] = obj
    return found


def symbols(obj):
    """(defined, undefined) global names of an object."""
    out = subprocess.run(["nm", "-g", obj], check=True, text=True, stdout=subprocess.PIPE).stdout
    rows = [line.split()[-2:] for line in out.splitlines()]
    return {n for t, n in rows if t != "U"}, {n for t, n in rows if t == "U"}


def calls(top, build):
    """File -> file that it calls -> the names, without suffix, below mdev-driver/."""
    driver = pathlib.Path(top, "mdev-driver")
    plain = {str(f.relative_to(driver).with_suffix("")).replace("/", "_"):
             str(f.relative_to(driver).with_suffix("")) for f in driver.rglob("*.c")}
    defined, wanted = {}, {}
    for name, obj in objects(build).items():
        has, wants = symbols(obj)
        defined.update(dict.fromkeys(has, plain[name]))
        wanted[plain[name]] = wants
    result = {}
    for name, wants in wanted.items():
        for symbol in wants:
            if defined.get(symbol, name) != name:
                result.setdefault(name, {}).setdefault(defined[symbol], []).append(symbol)
    return result


def call_faults(edges):
    """Calls of a room that is none of those below."""
    for name, used in sorted(edges.items()):
        for other, names in sorted(used.items()):
            if not may(room_of(name), room_of(other)):
                yield f"{name}.c calls {', '.join(sorted(names))} of {other}.c, which is not below it"


def circles(edges):
    """Sets of files that call each other in a circle (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(v):
        index[v] = low[v] = len(index)
        stack.append(v)
        for w in edges.get(v, ()):
            if w not in index:
                visit(w)
                low[v] = min(low[v], low[w])
            elif w in stack:
                low[v] = min(low[v], index[w])
        if low[v] == index[v]:
            part = set()
            while v not in part:
                part.add(stack.pop())
            if len(part) > 1:
                found.append(part)

    for v in edges:
        if v not in index:
            visit(v)
    return found


def circle_faults(edges):
    """Circles beyond those that have a reason, and reasons without a circle."""
    found = circles(edges)
    for part in found:
        if not any(part <= known for known, _ in rooms.CIRCLES):
            yield "a circle: " + ", ".join(sorted(part))
    for known, _ in rooms.CIRCLES:
        if not any(part <= known for part in found):
            yield "excused, and no circle any more: " + ", ".join(sorted(known))


def resolve(driver, name, quote, target):
    """The file below mdev-driver/ that an include means, or None."""
    if target.startswith("mhca/"):
        return f"include/{target}"
    if quote == "<":
        return None
    beside = (driver / name).parent / target
    path = beside if beside.exists() else driver / "soft" / target
    return str(path.resolve().relative_to(driver.resolve())) if path.exists() else None


def include_faults(top):
    """Direct includes: upwards, past a door, or of the kernel in pure code."""
    driver = pathlib.Path(top, "mdev-driver")
    for path in sorted(driver.rglob("*.[ch]")):
        name = str(path.relative_to(driver))
        room = room_of(name)
        pure = room and room not in ("vfio", "include/mhca") and name not in rooms.KERNEL_ONLY
        for quote, target in INCLUDE.findall(path.read_text(encoding="utf-8")):
            used = resolve(driver, name, quote, target)
            if used is None:
                if pure and target.startswith(KERNEL) and not target.startswith("linux/mlx5/") \
                        and not name.endswith("compat.h"):
                    yield f"{name} is pure code and includes <{target}>"
                continue
            other = room_of(used)
            if room == other or not room or not other:
                continue
            door = rooms.ROOMS[other]["door"]
            if not may(room, other):
                yield f"{name} includes {used}, whose room is not below it"
            elif door is not None and used != f"{other}/{door}" and used not in rooms.ALSO_DOORS:
                yield f"{name} includes {used}, which is not the door of {other}"


def depend_faults(top, build):
    """What the compiler read for an object, through other headers, too."""
    out = subprocess.run(["ninja", "-C", build, "-t", "deps"], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    driver = pathlib.Path(top, "mdev-driver").resolve()
    for block in out.split("\n\n"):
        lines = block.splitlines()
        if not lines or "libmhca-core.a.p/" not in lines[0]:
            continue
        files = []
        for line in lines[1:]:
            path = pathlib.Path(os.path.normpath(pathlib.Path(build, line.strip())))
            if path.is_relative_to(driver):
                files.append(str(path.relative_to(driver)))
        source = next((f for f in files if f.endswith(".c")), None)
        for used in files:
            if source and room_of(used) and not may(room_of(source), room_of(used)):
                yield f"{source} has read {used}, whose room is not below it"


def length_faults(top):
    """Files over their size, and excuses that are not needed any more."""
    seen = set()
    for where in ("mdev-driver", "vfio-user", "guest-provider", "host-tools", "tests"):
        for path in sorted(pathlib.Path(top, where).rglob("*.[ch]")):
            name = str(path.relative_to(top))
            n = len(path.read_text(encoding="utf-8").splitlines())
            limit = rooms.HEADER_LINES if name.endswith(".h") else rooms.FILE_LINES
            if n > limit:
                seen.add(name)
                if name not in rooms.LONG:
                    yield f"{name} has {n} lines, more than {limit}"
    for name in set(rooms.LONG) - seen:
        yield f"{name} is excused for a length that it has not"


def main(top, build):
    """Print the faults; the exit status."""
    edges = calls(top, build)
    assert len(edges) > 40, "no objects: build first"
    faults = [*call_faults(edges), *circle_faults(edges), *include_faults(top),
              *depend_faults(top, build), *length_faults(top)]
    print("\n".join(faults) or f"{len(edges)} files keep to their rooms")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
