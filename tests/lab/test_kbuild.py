# SPDX-License-Identifier: GPL-2.0-only
"""mdev-driver/features.mk: which headers have which feature, and what is an error."""

import pathlib
import re
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
FEATURES = TOP / "mdev-driver/features.mk"

# As Debian's headers of 6.1, 6.12 and 7.2 have it.
OLD = {
    "linux/vfio.h": "\tlong\t(*ioctl)(struct vfio_device *vdev, unsigned int cmd,\n"
                    "void vfio_free_device(struct vfio_device *device);\n",
    "linux/mm_types.h": "\tvm_flags_t\tvm_flags;\t/* VMA vm_flags */\n"
                        "\tunsigned long vm_flags;\t\t/* Flags, see mm.h. */\n",
    "linux/eventfd.h": "__u64 eventfd_signal(struct eventfd_ctx *ctx, __u64 n);\n",
    "linux/mlx5/mlx5_ifc.h": "\tu8         reserved_at_0[0x10];\n",
    "net/rtnetlink.h": "\tint\t\t\t(*newlink)(struct net *src_net,\n",
}
MIDDLE = dict(OLD, **{
    "linux/vfio.h": "\tstruct inode *inode;\n"
                    "\tint (*migration_get_data_size)(struct vfio_device *device,\n"
                    "\tint\t(*bind_iommufd)(struct vfio_device *vdev,\n",
    "linux/mm_types.h": "\tvm_flags_t\tvm_flags;\t/* VMA vm_flags */\n"
                        "\t\tconst vm_flags_t vm_flags;\n",
    "linux/eventfd.h": "static inline void eventfd_signal(struct eventfd_ctx *ctx)\n",
    "linux/mlx5/mlx5_ifc.h": "\tu8         page_request_disable[0x1];\n"
                             "\tu8         cq_period_mode_modify[0x1];\n",
    "linux/unaligned.h": "#define __LINUX_UNALIGNED_H\n",
})
NEW = dict(MIDDLE, **{
    "linux/vfio.h": MIDDLE["linux/vfio.h"] +
                    "\tint\t(*get_region_info_caps)(struct vfio_device *vdev,\n",
    "net/rtnetlink.h": "\tint\t\t\t(*newlink)(struct net_device *dev,\n"
                       "\t\t\t\t\t   struct rtnl_newlink_params *params,\n",
})
IN_6_12 = {"FREES_DEVICE", "IOMMUFD_OPS", "VM_FLAGS_SET", "EVENTFD_SIGNAL_1", "DEVICE_INODE",
           "MIG_DATA_SIZE", "PAGE_REQUEST_DISABLE", "CQ_PERIOD_MODE_MODIFY",
           "LINUX_UNALIGNED"}
IN_7_2 = IN_6_12 | {"NEWLINK_PARAMS", "REGION_INFO_CAPS"}


def table():
    """The lines of the list: (name, file, since, new, old)."""
    lines = re.findall(r"^\t(\w+@\S+)", FEATURES.read_text(), re.M)
    return [tuple(line.split("@")) for line in lines]


def flags(tmp_path, version, headers):
    """(status, features found, standard error) for a kernel of that version."""
    for name, text in headers.items():
        (tmp_path / "include" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "include" / name).write_text(text)
    major, minor = version.split(".")
    p = subprocess.run(
        ["make", "-s", "--no-print-directory", "-f", "-", f"srctree={tmp_path}",
         f"VERSION={major}", f"PATCHLEVEL={minor}"], text=True, capture_output=True, check=False,
        input=f"include {FEATURES}\nall:\n\t@echo '$(mhca-feature-flags)'\n")
    return p.returncode, {f.removeprefix("-DMHCA_HAVE_") for f in p.stdout.split()}, p.stderr


@pytest.mark.parametrize("version,headers,expected", [
    ("6.1", OLD, set()), ("6.12", MIDDLE, IN_6_12), ("7.2", NEW, IN_7_2),
    # What stable and vendor kernels took over is what the headers say.
    ("6.1", dict(NEW, **{"linux/vfio.h": OLD["linux/vfio.h"] + NEW["linux/vfio.h"]}),
     IN_7_2 - {"FREES_DEVICE"})], ids=["6.1", "6.12", "7.2", "backported"])
def test_features(tmp_path, version, headers, expected):
    assert flags(tmp_path, version, headers) == (0, expected, "")


@pytest.mark.parametrize("name", [row[0] for row in table()])
def test_neither_form(tmp_path, name):
    """A later kernel that has renamed it: an error that says what, and no flags."""
    file, new, old = next((r[1], r[3], r[4]) for r in table() if r[0] == name)
    version, headers = "7.2", NEW
    if new == "-":          # it is there until SINCE: missing in an older kernel
        version, headers, new = "6.1", OLD, old
    lines = headers[file].splitlines(keepends=True)
    kept = [ln for ln in lines if not re.search(new, ln)]
    assert len(kept) < len(lines)
    if file == "linux/mm_types.h":
        kept.append("\t\tconst vma_flags_t flags;\n")
    status, found, error = flags(tmp_path, version, dict(headers, **{file: "".join(kept)}))
    assert status and not found
    assert f"neither form of {name} " in error and f"include/{file}" in error


def test_every_flag_is_in_the_list():
    """The driver asks for nothing that the list does not define, and for all of it."""
    used = set()
    for path in (TOP / "mdev-driver").rglob("*.[ch]"):
        used |= set(re.findall(r"\bMHCA_HAVE_(\w+)", path.read_text()))
    assert used - {""} == {row[0] for row in table()}
