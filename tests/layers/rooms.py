# SPDX-License-Identifier: GPL-2.0-only
"""The rooms of the driver, what each stands on, and what is excused (docs/architecture.md)."""

# Room: the rooms that it may call and include, and its door: the one header that other rooms
# may include. A folder is the room of all that no deeper room has.
SOFT = ["schedule", "memory", "queue", "ethernet", "switch", "transport", "lane"]
ROOMS = {
    "include/mhca": {"on": [], "door": None},           # every header of it is a door
    "prm": {"on": ["include/mhca"], "door": ""},         # none of it is a door
    "soft/transport/wire": {"on": ["include/mhca"], "door": "wire.h"},
    **{f"soft/{name}": {"on": ["include/mhca", "prm",
                               *(["soft/transport/wire"] if name in ("transport", "lane") else []),
                               *(f"soft/{below}" for below in SOFT[:i])],
                        "door": f"{name}.h"}
       for i, name in enumerate(SOFT)},
    "soft": {"on": ["include/mhca", "prm", "soft/transport/wire", *(f"soft/{n}" for n in SOFT)],
             "door": "hca.h"},
    "vfio": {"on": ["include/mhca", "prm"], "door": "frontend.h"},
}

# A header that a file outside of its room includes although it is not the door.
ALSO_DOORS = {
    "soft/ethernet/packet.h": "packets, which receive queues and flow tables know nothing of",
    "soft/switch/uplink.h": "the module's start and end (main.c): kernel types, which the door has not",
}

# Files that call each other in a circle, and why.
CIRCLES = [
    ({"prm/eq", "prm/gmem", "prm/object", "prm/pa", "prm/unmap"},
     "an unmap fences event queues, which are objects with guest memory"),
    ({"prm/caps", "prm/cmd_flow", "prm/cmd_hca", "prm/cmd_object", "prm/cmdq", "prm/command",
      "prm/command_table", "prm/instance", "prm/policy"},
     "the command table names the handlers, which use the accessors of commands"),
]

HEADER_LINES = 300
FILE_LINES = 700
# Longer ones, and why.
LONG = {
    "mdev-driver/include/mhca/prm.h": "objects, commands, memory and events are still to be parted",
    "mdev-driver/soft/switch/uplink.c": "a netdev with its queues, statistics and link operations",
    "mdev-driver/vfio/frontend.h": "the front end's one structure, and the doors of its files",
    "guest-provider/client.h": "objects, posting and polling are still to be parted",
    "tests/unit/vmm_user.c": "guest memory and the front end's calls are still to be parted",
    "tests/unit/test_packet.c": "headers and hashes, segmentation and checksums are still to be parted",
    "tests/unit/test_switch.c": "tables and forwarding are still to be parted",
    "tests/unit/test_engine_eth.c": "sending and receiving are still to be parted",
    "mdev-driver/user/shim/core.h": "types with their arithmetic, and the log, are still to be parted",
    "tests/system/progs/mhca-verify/verify.h": "one table of tests and what they share",
}

# Pure code that is no part of the user-space build, and so is not looked at by symbols.
KERNEL_ONLY = {"soft/main.c", "soft/pci.c", "soft/schedule/wake.c", "soft/switch/uplink.c",
               "soft/lane/lane_thread.c"}
