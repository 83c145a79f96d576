# SPDX-License-Identifier: GPL-2.0-only
"""libvirt: a domain with the XML that mhcactl prints; instances as node devices."""

import pathlib
import re
import subprocess
import uuid as uuidlib

import pytest

import kmsg
from channel import Channel
from guest import CMDLINE, Guest, wait_until
from host import MDEV
from lib_rdma import BIN, assert_clean, verified, verify
from lib_tools import Tool
from test_modules import own_host  # noqa: F401

DOMAIN = """
<domain type='kvm'>
  <name>mhca-domain</name>
  <memory unit='MiB'>1024</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{kernel}</kernel>
    <initrd>{initrd}</initrd>
    <cmdline>{cmdline} mhca.load=1</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode='host-passthrough' check='none'/>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='block' device='disk'>
      <driver name='qemu' type='raw'/>
      <source dev='{disk}'/>
      <target dev='vda' bus='virtio'/>
      <readonly/>
    </disk>
    <filesystem type='mount' accessmode='passthrough'>
      <source dir='{out}'/>
      <target dir='out'/>
      <readonly/>
    </filesystem>
    <controller type='usb' model='none'/>
    <controller type='pci' index='0' model='pcie-root'/>
    <controller type='pci' index='1' model='pcie-root-port'/>
    <controller type='pci' index='2' model='pcie-root-port'/>
    <channel type='unix'>
      <source mode='bind' path='{folder}/cmd'/>
      <target type='virtio' name='mhca.cmd'/>
    </channel>
    <serial type='file'><source path='{folder}/console'/></serial>
    <memballoon model='none'/>
    {hostdev}
  </devices>
</domain>
"""
QEMU_CONF = """
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""


@pytest.fixture
def virsh(alone, tmp_path):
    """Runs virsh with a daemon of our own, without systemd, polkit and D-Bus."""
    etc = pathlib.Path("/etc/libvirt")
    etc.mkdir(exist_ok=True)
    (etc / "qemu.conf").write_text(QEMU_CONF)
    (etc / "libvirtd.conf").write_text('auth_unix_rw = "none"\nauth_unix_ro = "none"\n')
    with open(tmp_path / "libvirtd.log", "w", encoding="utf-8") as log, \
            subprocess.Popen(["libvirtd"], stdin=subprocess.DEVNULL, stdout=log,
                             stderr=log) as daemon:
        wait_until(pathlib.Path("/run/libvirt/libvirt-sock").exists, 60, "libvirtd")
        try:
            yield lambda line: alone.check(f"virsh -q -c qemu:///system {line}", 180)
        finally:
            alone.run("virsh -q -c qemu:///system destroy mhca-domain", 60)
            daemon.terminate()


def hostdev(tool, inst):
    """The XML that mhcactl prints for an instance."""
    return re.search(r"<hostdev.*</hostdev>", tool("qemu", inst.uuid), re.S)[0]


@pytest.mark.limit(600)
def test_domain(lab, alone, virsh, tmp_path):
    """It boots with its instance and moves data; the device is unplugged, plugged, and gone."""
    tool, inst = Tool(alone), alone.instance()
    xml = hostdev(tool, inst)
    conf = lab["guests"][lab["guest_suites"][0]]
    guest = Guest(conf, tmp_path, "libvirt")
    guest.console = guest.live = tmp_path / "console"
    (tmp_path / "domain.xml").write_text(DOMAIN.format(
        kernel=conf["kernel"], initrd=conf["initrd"], cmdline=CMDLINE, disk=guest.disk(),
        out=conf["out"], folder=tmp_path, hostdev=xml))
    (tmp_path / "device.xml").write_text(xml)
    virsh(f"create {tmp_path}/domain.xml")
    guest.channel = Channel(f"{tmp_path}/cmd")
    guest.channel.connect()
    guest.wait_boot()

    def works():
        verified(guest.check(f"{BIN}/mhca-verify -l -t rc_lists", 120))

    works()
    assert inst.uuid in virsh("dumpxml mhca-domain")
    virsh(f"detach-device mhca-domain {tmp_path}/device.xml --live")
    wait_until(lambda: inst.state == "closed", 60, "end of hot-unplug", 0.2)
    assert_clean(inst)
    virsh(f"attach-device mhca-domain {tmp_path}/device.xml --live")
    wait_until(lambda: guest.run("ls /sys/class/infiniband/*")[0] == 0, 60,
               "RDMA device after hot-plug", 0.5)
    works()
    assert not kmsg.bad_lines(guest.new_console())
    virsh("destroy mhca-domain")
    wait_until(lambda: inst.state == "closed", 30, "the instance to close")
    assert_clean(inst)


NODE_DEVICE = """
<device>
  <parent>{parent}</parent>
  <capability type='mdev'>
    <type id='mhca-ib-small'/>
    <uuid>{uuid}</uuid>
    <attr name='weight' value='321'/>
  </capability>
</device>
"""


@pytest.fixture
def pci_host(own_host, udev):  # noqa: F811
    """A host whose HCA is a PCI function, and udevd."""
    own_host.load("pci=1")
    yield own_host


@pytest.mark.limit(600)
def test_node_devices(pci_host, virsh, make_guest, tmp_path):
    """virsh nodedev-define, -start and -autostart; a guest uses it; it is back after a reload."""
    # The debug kernel has a sample parent of its own.
    parent, = re.findall(r"^pci_1[0-9a-f]{4}_00_00_0$",
                         virsh("nodedev-list --cap mdev_types"), re.M)
    assert "<type id='mhca-roce-large'>" in virsh(f"nodedev-dumpxml {parent}")
    uuid = str(uuidlib.uuid4())
    file = tmp_path / "node.xml"
    file.write_text(NODE_DEVICE.format(parent=parent, uuid=uuid))
    virsh(f"nodedev-define {file}")
    name, = virsh("nodedev-list --cap mdev --inactive").split()
    assert uuid.replace("-", "_") in name
    virsh(f"nodedev-autostart {name}")
    virsh(f"nodedev-start {name}")
    assert (MDEV / uuid / "weight").read_text().strip() == "321"
    assert re.search(r"^Autostart:\s+yes$", virsh(f"nodedev-info {name}"), re.M)
    tool = Tool(pci_host)
    assert uuid in tool("list") and "revoke" in pci_host.check("ls /sys/class/mdev_bus/*/")
    guest = make_guest([uuid])
    verified(verify(guest, guest, "rc_lists"))
    make_guest.end(guest)
    # As after a reboot: the unit starts what is to be started automatically.
    pci_host.unload()
    assert not (MDEV / uuid).exists()
    pci_host.load("pci=1")
    unit = (pathlib.Path(__file__).parents[2] / "host-tools/systemd/mhca.service").read_text()
    start, = re.findall(r"^ExecStart=-/bin/sh -c '(.*mdevctl.*)'$", unit, re.M)
    pci_host.check(f"udevadm settle; {start.replace('$$', '$')}")
    wait_until(lambda: (MDEV / uuid / "weight").exists(), 60, "the instance")
    wait_until(lambda: (MDEV / uuid / "weight").read_text().strip() == "321", 20, "its weight")
    wait_until(lambda: name in virsh("nodedev-list --cap mdev").split(), 30, "libvirt to see it")
    virsh(f"nodedev-destroy {name}")
    assert not (MDEV / uuid).exists()
    virsh(f"nodedev-undefine {name}")
    assert not virsh("nodedev-list --cap mdev --all").split()
