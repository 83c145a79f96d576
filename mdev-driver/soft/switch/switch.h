/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The switch's door. Segments, ports and the forwarding table: who may send as whom, and who
 * gets a frame; deliver.h: the way there.
 *
 * Locks: soft_switch.lock (mutex) serialises everything that changes. Who forwards
 * takes none: it is inside srcu and follows pointers that are published whole. What
 * is taken out is freed after a grace period.
 */
#ifndef SOFT_SWITCH_SWITCH_H
#define SOFT_SWITCH_SWITCH_H

#include "ethernet/packet.h"

#define SOFT_FDB_BUCKETS	1024U
#define SOFT_PORT_MACS		(MHCA_MAX_UC + 2)	/* of one port */
#define SOFT_SEGMENT_PORTS	1024U	/* bound of what one broadcast costs */
#define SOFT_VLANS		4096
#define SOFT_FLOOD_RATE		20000U	/* flooded frames of a port in a second */
#define SOFT_FLOOD_BURST	2000U
#define SOFT_FORWARD_LOOKS	16U	/* at ports in a row that do not get a frame */

/* Why a frame went nowhere: name, the same in ethtool's output, text. Append only. */
#define SOFT_DROPS(X)							\
	X(MAC, "mac", "source MAC is not the port's")	\
	X(VLAN, "vlan", "VLAN is not allowed to the port")	\
	X(GID, "gid", "RoCE with a source GID that is not the port's")	\
	X(SOURCE, "source", "source MAC is a group address")	\
	X(UNKNOWN, "unknown", "nobody has the destination MAC")	\
	X(SELF, "self", "destination is the port it came from, which does not want it") \
	X(FLOOD, "flood", "group frames beyond the port's rate")	\
	X(DOWN, "down", "port is down or in no segment")	\
	X(FRAME, "frame", "malformed, or too long")	\
	X(BUFFER, "buffer", "receiver has no buffer")	\
	X(STEER, "steering", "receiver's flow tables do not want it") \
	X(ADDRESS, "address", "IP address, or that in ARP or ND, is not the port's (addresses)")

enum soft_drop {
	SOFT_DROP_NONE = -1,
#define SOFT_DROP_ENUM(name, label, text) SOFT_DROP_##name,
	SOFT_DROPS(SOFT_DROP_ENUM)
#undef SOFT_DROP_ENUM
	SOFT_DROP_CAUSES
};

/* What a port checks of a frame it sends. */
enum soft_check {
	SOFT_CHECK_MAC	= 1 << 0,
	SOFT_CHECK_VLAN	= 1 << 1,
	SOFT_CHECK_GID	= 1 << 2,
	SOFT_CHECK_ALL	= SOFT_CHECK_MAC | SOFT_CHECK_VLAN | SOFT_CHECK_GID,
};

enum soft_port_kind { SOFT_PORT_INSTANCE, SOFT_PORT_UPLINK };

/*
 * By what right a port has an address, the better one first. Several may claim one; it
 * belongs to the best claim among ports that are there, of equals to the oldest.
 */
enum soft_claim {
	SOFT_CLAIM_POLICY,	/* the instance's own, as policy says */
	SOFT_CLAIM_UPLINK,	/* the uplink netdev's */
	SOFT_CLAIM_GUEST,	/* what a guest without checks asked for */
};

/*
 * Pointers that are followed inside srcu without a lock: published when what they point
 * to is complete, and followed to nothing older than that.
 */
#define soft_publish(link, value)	smp_store_release(link, value)	/* contents first */
#define soft_follow(link)		smp_load_acquire(link)		/* then contents */

struct soft_switch;
struct soft_segment;

/**
 * struct soft_fdb - an entry of the forwarding table
 * @next: in its bucket
 * @gone: the next one to be freed after a grace period
 * @port: who claims the address
 * @segment: id
 * @mac: address
 * @claim: enum soft_claim: by what right; WRITE_ONCE
 */
struct soft_fdb {
	struct soft_fdb *next;
	struct soft_fdb *gone;
	struct soft_port *port;
	u32 segment;
	u8 mac[SOFT_MAC_BYTES];
	u8 claim;
};

/**
 * struct soft_gids - a port's source GIDs, never changed once they are found
 * @n: how many
 * @gid: addresses
 */
struct soft_gids {
	u32 n;
	u8 gid[][16];
};

/**
 * struct soft_allowed - IP addresses that a port may use, never changed once they are found
 * @n: how many
 * @prefix: what policy says, and the link-local address of its MAC
 */
struct soft_allowed {
	u32 n;
	struct mhca_prefix prefix[MHCA_ADDRESSES_MAX + 1];
};

/**
 * struct soft_port - an instance or an uplink in a segment
 * @kind: which
 * @owner: &struct soft_instance or the uplink's; an instance's WRITE_ONCE: it may move
 * @segment: where it is, NULL: nowhere. WRITE_ONCE under soft_switch.lock
 * @next: the segment's next port; orders rise
 * @order: place in the segment; never used twice
 * @up: forwards; WRITE_ONCE
 * @aside: its addresses are another's if another claims them: its link is down, or its
 *         driver has taken it down; WRITE_ONCE
 * @checks: enum soft_check; WRITE_ONCE
 * @rated: its group frames are bounded (SOFT_FLOOD_RATE); WRITE_ONCE
 * @roce: RoCE is on: UDP to its port is RoCE's; WRITE_ONCE
 * @promisc: wants unicast frames that nobody has; WRITE_ONCE
 * @n_macs: entries in the forwarding table; soft_switch.lock
 * @gids: source GIDs, or NULL: none; replaced as a whole
 * @allowed: IP addresses that it may use, or NULL: any; replaced as a whole
 * @vlans: VLAN ids that it may send and gets; bit 0: frames without a tag
 * @stalled: a sender waited for its buffers in vain (route.c); WRITE_ONCE
 * @flood_lock: spinlock for @flood, a leaf
 * @flood: group frames it may still send
 * @patience: of senders with it (route.c)
 * @held: its own with others
 * @drops: frames that it sent, or that were for it, and that went nowhere
 * @said: causes of which the log has a line, bit by enum soft_drop
 */
struct soft_port {
	enum soft_port_kind kind;
	void *owner;
	struct soft_segment *segment;
	struct soft_port *next;
	u32 order;
	bool up;
	bool aside;
	u8 checks;
	bool rated;
	bool roce;
	bool promisc;
	bool stalled;
	u32 n_macs;
	struct soft_gids *gids;
	struct soft_allowed *allowed;
	DECLARE_BITMAP(vlans, SOFT_VLANS);
	spinlock_t flood_lock;
	struct mhca_bucket flood;
	struct soft_patience patience;
	struct soft_patience held;
	atomic64_t drops[SOFT_DROP_CAUSES];
	unsigned long said;
};

/**
 * struct soft_segment - an isolated Ethernet broadcast domain
 * @id: 32-bit id
 * @ports: instances and at most one uplink, in the order in which they came
 * @by_order: the same by soft_port.order, for who goes on in the middle
 * @uplink: of these, the uplink, or NULL
 * @n_ports: how many; soft_switch.lock
 * @next_order: of the next port; soft_switch.lock
 */
struct soft_segment {
	u32 id;
	struct soft_port *ports;
	struct xarray by_order;
	struct soft_port *uplink;
	u32 n_ports;
	u32 next_order;
};

/**
 * struct soft_switch - all segments of an HCA
 * @lock: mutex: who changes anything below
 * @srcu: what readers are in; the HCA's
 * @segments: id -> segment, while it has ports
 * @key: of the hash of @fdb
 * @fdb: forwarding table, by hash of segment and MAC
 */
struct soft_switch {
	struct mutex lock;
	struct srcu_struct *srcu;
	struct xarray segments;
	siphash_key_t key;
	struct soft_fdb *fdb[SOFT_FDB_BUCKETS];
};

/* segment.c */
void soft_switch_init(struct soft_switch *sw, struct srcu_struct *srcu);
void soft_switch_fini(struct soft_switch *sw);
void soft_port_init(struct soft_port *port, enum soft_port_kind kind, void *owner);
void soft_port_fini(struct soft_port *port);
int soft_port_attach(struct soft_switch *sw, struct soft_port *port, u32 segment);
void soft_port_detach(struct soft_switch *sw, struct soft_port *port);
int soft_port_add_mac(struct soft_switch *sw, struct soft_port *port, const u8 *mac,
		      enum soft_claim claim);
void soft_port_keep_macs(struct soft_switch *sw, struct soft_port *port,
			 const u8 (*keep)[SOFT_MAC_BYTES], u32 n);
int soft_port_set_gids(struct soft_switch *sw, struct soft_port *port, const u8 (*gid)[16],
		       u32 n);
bool soft_port_has_gid(const struct soft_port *port, const u8 gid[16]);
struct soft_fdb *soft_fdb_find(struct soft_switch *sw, u32 segment, const u8 *mac);
struct soft_fdb *soft_fdb_of(struct soft_switch *sw, const struct soft_port *port, u32 segment,
			     const u8 *mac);

/* ---- Forwarding (switch.c) ---------------------------------------------- */

/**
 * struct soft_source - what a sender claims to be
 * @dmac: destination
 * @smac: source
 * @vlan: VLAN id, 0: none
 * @gid: RoCE: source GID, or NULL
 * @frame: the frame's headers
 */
struct soft_source {
	const u8 *dmac;
	const u8 *smac;
	u16 vlan;
	const u8 *gid;
	const struct soft_frame *frame;
};

/* guard.c: IP addresses; the last two inside srcu */
int soft_port_set_addresses(struct soft_switch *sw, struct soft_port *port,
			    const struct mhca_addresses *addresses, const u8 *mac);
bool soft_port_may_use(const struct soft_port *port, const u8 gid[16]);
bool soft_guard_passes(const struct soft_port *from, const struct soft_segment *segment,
		       const struct soft_frame *frame);

/**
 * struct soft_forward - where a frame goes, port by port
 * @from: sender
 * @segment: its segment
 * @to: a known unicast destination, or NULL
 * @group: broadcast or multicast
 * @vlan: VLAN id, 0: none
 * @at: order from which on ports are still to be looked at
 * @last: port that was looked at last, NULL: none in this srcu section
 * @looks: ports that were looked at in it
 * @more: soft_forward_next() stopped between ports that do not get it
 */
struct soft_forward {
	struct soft_port *from;
	struct soft_segment *segment;
	struct soft_port *to;
	bool group;
	u16 vlan;
	u32 at;
	struct soft_port *last;
	u32 looks;
	bool more;
};

/*
 * May @from send this, and where to? SOFT_DROP_NONE, or the cause, which was counted.
 * Inside srcu. A group frame takes @charge tokens of the sender's.
 */
enum soft_drop soft_forward_begin(struct soft_switch *sw, struct soft_port *from,
				  const struct soft_source *source, u32 charge,
				  struct soft_forward *forward);
/* The next receiver, NULL: no more, or not yet (@forward->more). Inside the same srcu section. */
struct soft_port *soft_forward_next(struct soft_forward *forward);
void soft_port_drop_many(struct soft_port *port, enum soft_drop cause, u32 frames);
u64 soft_port_dropped(const struct soft_port *port, enum soft_drop cause);
const char *soft_drop_name(enum soft_drop cause);
const char *soft_drop_text(enum soft_drop cause);

static inline void soft_port_drop(struct soft_port *port, enum soft_drop cause)
{
	soft_port_drop_many(port, cause, 1);
}

#include "deliver.h"

#endif /* SOFT_SWITCH_SWITCH_H */
