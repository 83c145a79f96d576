// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The switch: who may send as whom, and who gets what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

#include <mhca/kernel.h>
#include <mhca/limits.h>
#include "shim/control.h"
#include "hca.h"

#define PORTS	5
#define UP	4	/* port[UP] is an uplink */

static struct srcu_struct srcu;
static struct soft_switch sw;
static struct soft_port port[PORTS];

static const u8 broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const u8 group[6] = { 0x33, 0x33, 0, 0, 0, 1 };
static const u8 nobody[6] = { 2, 9, 9, 9, 9, 9 };

static const u8 *mac(u32 i)
{
	static u8 macs[64][6];

	memcpy(macs[i], (u8[]){ 2, 0, 1, 0, 0x10, (u8)i }, 6);
	return macs[i];
}

static int setup(void **state)
{
	u32 i;

	(void)state;
	shim_clock_fake(true);
	assert_int_equal(init_srcu_struct(&srcu), 0);
	memset(&sw, 0, sizeof(sw));
	memset(port, 0, sizeof(port));
	soft_switch_init(&sw, &srcu);
	for (i = 0; i < PORTS; i++) {
		soft_port_init(&port[i], i == UP ? SOFT_PORT_UPLINK : SOFT_PORT_INSTANCE, NULL);
		port[i].up = true;
	}
	return 0;
}

static int teardown(void **state)
{
	u32 i;

	(void)state;
	for (i = 0; i < PORTS; i++) {
		soft_port_detach(&sw, &port[i]);
		assert_int_equal(port[i].n_macs, 0);
		soft_port_fini(&port[i]);
	}
	for (i = 0; i < SOFT_FDB_BUCKETS; i++)
		assert_null(sw.fdb[i]);
	soft_switch_fini(&sw);
	cleanup_srcu_struct(&srcu);
	shim_clock_fake(false);
	return 0;
}

/* Ports 0-2 and the uplink in segment 7, port 3 in segment 8; each has mac(its index). */
static void populate(void)
{
	u32 i;

	for (i = 0; i < PORTS; i++) {
		assert_int_equal(soft_port_attach(&sw, &port[i], i == 3 ? 8 : 7), 0);
		if (i != UP)
			assert_int_equal(soft_port_add_mac(&sw, &port[i], mac(i), SOFT_CLAIM_POLICY), 0);
	}
}

/* Send; the receivers as a bit mask of ports. */
static u32 send_all(u32 from, const struct soft_source *claims, enum soft_drop *cause)
{
	static const struct soft_frame plain;
	struct soft_source with_frame = *claims, *source = &with_frame;
	struct soft_forward forward;
	struct soft_port *to;
	u32 mask = 0, n = 0;
	int idx;

	source->frame = &plain;
	idx = srcu_read_lock(&srcu);
	*cause = soft_forward_begin(&sw, &port[from], source, true, &forward);
	if (*cause == SOFT_DROP_NONE) {
		while ((to = soft_forward_next(&forward))) {
			assert_true(n++ < PORTS);
			assert_false(mask >> (to - port) & 1);
			mask |= 1U << (to - port);
		}
	}
	srcu_read_unlock(&srcu, idx);
	return mask;
}

static u32 frame(u32 from, const u8 *dmac, const u8 *smac, u16 vlan)
{
	struct soft_source source = { .dmac = dmac, .smac = smac, .vlan = vlan };
	enum soft_drop cause;
	u32 mask = send_all(from, &source, &cause);

	assert_true(cause == SOFT_DROP_NONE);
	return mask;
}

/* It is dropped for @want, and counted once and for nothing else. */
static void dropped(u32 from, const struct soft_source *source, enum soft_drop want)
{
	u64 before[SOFT_DROP_CAUSES];
	enum soft_drop cause;
	u32 i;

	for (i = 0; i < SOFT_DROP_CAUSES; i++)
		before[i] = soft_port_dropped(&port[from], i);
	assert_int_equal(send_all(from, source, &cause), 0);
	assert_int_equal(cause, want);
	for (i = 0; i < SOFT_DROP_CAUSES; i++)
		assert_int_equal(soft_port_dropped(&port[from], i), before[i] + (i == want));
}

static void test_unicast(void **state)
{
	u32 from, to;

	(void)state;
	populate();
	for (from = 0; from < 3; from++)
		for (to = 0; to < 3; to++)
			if (from != to)
				assert_int_equal(frame(from, mac(to), mac(from), 0), 1U << to);
	/* From the host, whatever the source. */
	for (to = 0; to < 3; to++)
		assert_int_equal(frame(UP, mac(to), nobody, 0), 1U << to);
}

/* What an instance sends to itself nobody else sees, so it may say what it likes. */
static void test_self(void **state)
{
	struct soft_source source = { .dmac = mac(40), .smac = nobody };

	(void)state;
	populate();
	assert_int_equal(frame(1, mac(1), mac(1), 0), 1U << 1);
	assert_int_equal(frame(1, mac(1), (const u8[6]){ 0 }, 0), 1U << 1);
	assert_int_equal(frame(1, mac(1), mac(2), 0), 1U << 1);
	/* The host's stack has a loopback of its own. */
	assert_int_equal(soft_port_add_mac(&sw, &port[UP], mac(40), SOFT_CLAIM_UPLINK), 0);
	dropped(UP, &source, SOFT_DROP_SELF);
	source.dmac = mac(1);
	source.smac = group;
	dropped(1, &source, SOFT_DROP_SOURCE);
}

static void test_unknown(void **state)
{
	(void)state;
	populate();
	/* The host may know it; what came from the host is for nobody. */
	assert_int_equal(frame(0, nobody, mac(0), 0), 1U << UP);
	assert_int_equal(frame(UP, nobody, mac(33), 0), 0);
	WRITE_ONCE(port[2].promisc, true);
	assert_int_equal(frame(0, nobody, mac(0), 0), 1U << UP | 1U << 2);
	assert_int_equal(frame(UP, nobody, mac(33), 0), 1U << 2);
	assert_int_equal(frame(2, nobody, mac(2), 0), 1U << UP);
	/* What has an owner is his alone. */
	assert_int_equal(frame(0, mac(1), mac(0), 0), 1U << 1);
	soft_port_detach(&sw, &port[UP]);
	WRITE_ONCE(port[2].promisc, false);
	assert_int_equal(frame(0, nobody, mac(0), 0), 0);
}

static void test_flood(void **state)
{
	(void)state;
	populate();
	assert_int_equal(frame(0, broadcast, mac(0), 0), 1U << 1 | 1U << 2 | 1U << UP);
	assert_int_equal(frame(0, group, mac(0), 0), 1U << 1 | 1U << 2 | 1U << UP);
	assert_int_equal(frame(UP, broadcast, nobody, 0), 1U << 0 | 1U << 1 | 1U << 2);
	/* Alone in its segment. */
	assert_int_equal(frame(3, broadcast, mac(3), 0), 0);
}

/* Segments have nothing in common, even with equal addresses. */
static void test_segments(void **state)
{
	u32 i;

	(void)state;
	populate();
	for (i = 0; i < 3; i++) {
		assert_int_equal(frame(i, mac(3), mac(i), 0), 1U << UP);
		assert_int_equal(frame(3, mac(i), mac(3), 0), 0);
	}
	assert_int_equal(soft_port_add_mac(&sw, &port[3], mac(0), SOFT_CLAIM_POLICY), 0);
	assert_int_equal(frame(1, mac(0), mac(1), 0), 1U << 0);
	/* Moved: nobody of the old segment finds it, everybody of the new one. */
	soft_port_detach(&sw, &port[1]);
	assert_int_equal(frame(0, mac(1), mac(0), 0), 1U << UP);
	assert_int_equal(soft_port_attach(&sw, &port[1], 8), 0);
	assert_int_equal(soft_port_add_mac(&sw, &port[1], mac(1), SOFT_CLAIM_POLICY), 0);
	assert_int_equal(frame(0, mac(1), mac(0), 0), 1U << UP);
	assert_int_equal(frame(3, mac(1), mac(3), 0), 1U << 1);
	assert_int_equal(frame(1, broadcast, mac(1), 0), 1U << 3);
	assert_int_equal(frame(0, broadcast, mac(0), 0), 1U << 2 | 1U << UP);
}

/* All of a 32-bit id counts, whatever shares a bucket. */
static void test_segment_ids(void **state)
{
	static const u32 ids[] = { 0, 1, 0x10000001, 0x80000000, U32_MAX };
	u32 i, to;
	int idx;

	(void)state;
	populate();
	idx = srcu_read_lock(&srcu);
	for (i = 0; i < 100 * SOFT_FDB_BUCKETS; i++)
		assert_int_equal(!!soft_fdb_find(&sw, i, mac(0)), i == 7);
	for (i = 0; i < 100 * SOFT_FDB_BUCKETS; i++)
		assert_null(soft_fdb_find(&sw, 7, (u8[6]){ 2, 0, 0, i >> 16, i >> 8, i }));
	srcu_read_unlock(&srcu, idx);
	for (i = 0; i < PORTS; i++)
		soft_port_detach(&sw, &port[i]);
	for (i = 0; i < 4; i++) {
		assert_int_equal(soft_port_attach(&sw, &port[i], ids[i + 1]), 0);
		assert_int_equal(soft_port_add_mac(&sw, &port[i], mac(i), SOFT_CLAIM_POLICY), 0);
	}
	for (i = 0; i < 4; i++) {
		assert_int_equal(frame(i, broadcast, mac(i), 0), 0);
		for (to = 0; to < 4; to++)
			if (to != i)
				assert_int_equal(frame(i, mac(to), mac(i), 0), 0);
	}
}

static void test_spoof(void **state)
{
	struct soft_source source = { .dmac = mac(1), .smac = mac(2) };

	(void)state;
	populate();
	dropped(0, &source, SOFT_DROP_MAC);	/* a neighbour's */
	source.smac = nobody;
	dropped(0, &source, SOFT_DROP_MAC);
	source.smac = mac(3);			/* of another segment */
	dropped(0, &source, SOFT_DROP_MAC);
	source.smac = (const u8[6]){ 0 };
	dropped(0, &source, SOFT_DROP_MAC);
	source.dmac = broadcast;
	source.smac = mac(2);
	dropped(0, &source, SOFT_DROP_MAC);
	source.smac = broadcast;
	dropped(0, &source, SOFT_DROP_SOURCE);
	source.smac = group;
	dropped(UP, &source, SOFT_DROP_SOURCE);
	/* What a port may receive it may send from. */
	assert_int_equal(soft_port_add_mac(&sw, &port[0], mac(20), SOFT_CLAIM_GUEST), 0);
	assert_int_equal(frame(0, mac(1), mac(20), 0), 1U << 1);
	assert_int_equal(frame(1, mac(20), mac(1), 0), 1U << 0);
	/* Without the check all that is no group passes. */
	WRITE_ONCE(port[0].checks, SOFT_CHECK_VLAN | SOFT_CHECK_GID);
	assert_int_equal(frame(0, mac(1), nobody, 0), 1U << 1);
	source.smac = group;
	dropped(0, &source, SOFT_DROP_SOURCE);
}

static void test_vlan(void **state)
{
	struct soft_source source = { .dmac = mac(1), .smac = mac(0), .vlan = 100 };

	(void)state;
	populate();
	assert_int_equal(frame(0, mac(1), mac(0), 4095), 1U << 1);
	clear_bit(100, port[0].vlans);
	dropped(0, &source, SOFT_DROP_VLAN);
	assert_int_equal(frame(0, mac(1), mac(0), 101), 1U << 1);
	assert_int_equal(frame(0, mac(1), mac(0), 0), 1U << 1);
	/* The receiver's set counts, too. */
	clear_bit(200, port[1].vlans);
	assert_int_equal(frame(0, mac(1), mac(0), 200), 0);
	assert_int_equal(soft_port_dropped(&port[1], SOFT_DROP_VLAN), 1);
	assert_int_equal(frame(0, broadcast, mac(0), 200), 1U << 2 | 1U << UP);
	clear_bit(0, port[0].vlans);
	source.vlan = 0;
	dropped(0, &source, SOFT_DROP_VLAN);
	WRITE_ONCE(port[0].checks, SOFT_CHECK_MAC);
	assert_int_equal(frame(0, mac(1), mac(0), 100), 1U << 1);
}

static void test_gid(void **state)
{
	static const u8 gids[2][16] = { { 0xfe, 0x80, [15] = 1 }, { [10] = 0xff, 0xff, 10, 0, 0, 1 } };
	struct soft_source source = { .dmac = mac(1), .smac = mac(0), .gid = gids[0] };
	enum soft_drop cause;

	(void)state;
	populate();
	dropped(0, &source, SOFT_DROP_GID);
	assert_int_equal(soft_port_set_gids(&sw, &port[0], gids, 2), 0);
	assert_int_equal(send_all(0, &source, &cause), 1U << 1);
	source.gid = gids[1];
	assert_int_equal(send_all(0, &source, &cause), 1U << 1);
	assert_int_equal(soft_port_set_gids(&sw, &port[0], gids, 1), 0);
	dropped(0, &source, SOFT_DROP_GID);
	/* Another port's list does not help. */
	assert_int_equal(soft_port_set_gids(&sw, &port[1], gids, 2), 0);
	dropped(0, &source, SOFT_DROP_GID);
	assert_int_equal(soft_port_set_gids(&sw, &port[0], NULL, 0), 0);
	source.gid = gids[0];
	dropped(0, &source, SOFT_DROP_GID);
	WRITE_ONCE(port[0].checks, SOFT_CHECK_MAC);
	assert_int_equal(send_all(0, &source, &cause), 1U << 1);
}

static void test_down(void **state)
{
	struct soft_source source = { .dmac = mac(1), .smac = mac(0) };

	(void)state;
	dropped(0, &source, SOFT_DROP_DOWN);	/* in no segment */
	populate();
	WRITE_ONCE(port[1].up, false);
	assert_int_equal(frame(0, mac(1), mac(0), 0), 0);
	assert_int_equal(soft_port_dropped(&port[1], SOFT_DROP_DOWN), 1);
	assert_int_equal(frame(0, broadcast, mac(0), 0), 1U << 2 | 1U << UP);
	WRITE_ONCE(port[0].up, false);
	dropped(0, &source, SOFT_DROP_DOWN);
}

/* A port that was detached has no addresses left and is not found. */
static void test_addresses(void **state)
{
	u32 i;

	(void)state;
	assert_int_equal(soft_port_add_mac(&sw, &port[0], mac(0), SOFT_CLAIM_POLICY), -ENETDOWN);
	populate();
	assert_int_equal(soft_port_add_mac(&sw, &port[0], broadcast, SOFT_CLAIM_POLICY), -EADDRNOTAVAIL);
	assert_int_equal(soft_port_add_mac(&sw, &port[0], group, SOFT_CLAIM_POLICY), -EADDRNOTAVAIL);
	assert_int_equal(soft_port_add_mac(&sw, &port[0], (u8[6]){ 0 }, SOFT_CLAIM_POLICY), -EADDRNOTAVAIL);
	/* The first owner wins, and keeps. */
	assert_int_equal(soft_port_add_mac(&sw, &port[0], mac(1), SOFT_CLAIM_POLICY), -EADDRINUSE);
	assert_int_equal(frame(2, mac(1), mac(2), 0), 1U << 1);
	assert_int_equal(soft_port_add_mac(&sw, &port[1], mac(1), SOFT_CLAIM_POLICY), 0);
	assert_int_equal(port[1].n_macs, 1);
	soft_port_keep_macs(&sw, &port[0], NULL, 0);
	assert_int_equal(frame(2, mac(1), mac(2), 0), 1U << 1);
	assert_int_equal(frame(2, mac(0), mac(2), 0), 1U << UP);
	soft_port_keep_macs(&sw, &port[1], (const u8[1][6]){ { 2, 0, 1, 0, 0x10, 1 } }, 1);
	assert_int_equal(frame(2, mac(1), mac(2), 0), 1U << 1);
	soft_port_keep_macs(&sw, &port[1], (const u8[1][6]){ { 2, 0, 1, 0, 0x10, 9 } }, 1);
	assert_int_equal(frame(2, mac(1), mac(2), 0), 1U << UP);
	assert_int_equal(soft_port_add_mac(&sw, &port[0], mac(1), SOFT_CLAIM_POLICY), 0);
	assert_int_equal(frame(2, mac(1), mac(2), 0), 1U << 0);
	/* As many as fit, all found, none after the detach. */
	for (i = port[0].n_macs; i < SOFT_PORT_MACS; i++)
		assert_int_equal(soft_port_add_mac(&sw, &port[0],
						   (u8[6]){ 6, 0, 0, 0, 0, (u8)i }, SOFT_CLAIM_POLICY), 0);
	assert_int_equal(soft_port_add_mac(&sw, &port[0], mac(40), SOFT_CLAIM_POLICY), -ENOSPC);
	for (i = 1; i < SOFT_PORT_MACS; i++)
		assert_int_equal(frame(2, (u8[6]){ 6, 0, 0, 0, 0, (u8)i }, mac(2), 0), 1U << 0);
	soft_port_detach(&sw, &port[0]);
	for (i = 1; i < SOFT_PORT_MACS; i++)
		assert_int_equal(frame(2, (u8[6]){ 6, 0, 0, 0, 0, (u8)i }, mac(2), 0), 1U << UP);
}

/* Sent by port 2, who has an address now? */
static void belongs_to(const u8 *address, u32 to)
{
	assert_int_equal(frame(2, address, mac(2), 0), 1U << to);
}

/* Of several claims the best one of a port that is there, of equals the oldest. */
static void test_claims(void **state)
{
	(void)state;
	populate();
	/* Policy's stays its owner's, wherever in time the guest's wish came. */
	assert_int_equal(soft_port_add_mac(&sw, &port[1], mac(0), SOFT_CLAIM_GUEST), 0);
	belongs_to(mac(0), 0);
	assert_int_equal(soft_port_add_mac(&sw, &port[1], mac(30), SOFT_CLAIM_GUEST), 0);
	belongs_to(mac(30), 1);
	assert_int_equal(soft_port_add_mac(&sw, &port[0], mac(30), SOFT_CLAIM_POLICY), 0);
	belongs_to(mac(30), 0);
	/* The same for the host's. */
	assert_int_equal(soft_port_add_mac(&sw, &port[1], mac(31), SOFT_CLAIM_GUEST), 0);
	assert_int_equal(soft_port_add_mac(&sw, &port[UP], mac(31), SOFT_CLAIM_UPLINK), 0);
	belongs_to(mac(31), UP);
	WRITE_ONCE(port[UP].aside, true);	/* the host does not give way */
	belongs_to(mac(31), UP);
	assert_int_equal(soft_port_add_mac(&sw, &port[0], mac(31), SOFT_CLAIM_POLICY), 0);
	belongs_to(mac(31), 0);
	/* What policy or the host has is refused to policy and the host. */
	assert_int_equal(soft_port_add_mac(&sw, &port[UP], mac(0), SOFT_CLAIM_UPLINK), -EADDRINUSE);
	assert_int_equal(soft_port_add_mac(&sw, &port[1], mac(0), SOFT_CLAIM_POLICY), 0);
	assert_int_equal(soft_port_add_mac(&sw, &port[2], mac(0), SOFT_CLAIM_POLICY), -EADDRINUSE);
	/* Equal claims. */
	assert_int_equal(soft_port_add_mac(&sw, &port[1], mac(32), SOFT_CLAIM_GUEST), 0);
	assert_int_equal(soft_port_add_mac(&sw, &port[0], mac(32), SOFT_CLAIM_GUEST), 0);
	belongs_to(mac(32), 1);
	soft_port_keep_macs(&sw, &port[1], NULL, 0);
	belongs_to(mac(32), 0);
}

/* An address belongs to a port that is up: the slaves of a bond have one. */
static void test_failover(void **state)
{
	struct soft_source source = { .dmac = mac(0), .smac = mac(2) };

	(void)state;
	populate();
	assert_int_equal(soft_port_add_mac(&sw, &port[1], mac(0), SOFT_CLAIM_GUEST), 0);
	belongs_to(mac(0), 0);
	WRITE_ONCE(port[0].aside, true);
	belongs_to(mac(0), 1);
	assert_int_equal(frame(UP, mac(0), nobody, 0), 1U << 1);
	WRITE_ONCE(port[0].aside, false);
	belongs_to(mac(0), 0);
	WRITE_ONCE(port[1].aside, true);
	belongs_to(mac(0), 0);
	/* Both down: it is the owner's, who does not get it. */
	WRITE_ONCE(port[0].aside, true);
	WRITE_ONCE(port[1].aside, true);
	belongs_to(mac(0), 0);
	WRITE_ONCE(port[0].up, false);
	assert_int_equal(frame(2, mac(0), mac(2), 0), 0);
	assert_int_equal(soft_port_dropped(&port[0], SOFT_DROP_DOWN), 1);
	/* Nobody's: not the uplink's either, while policy gave it to somebody. */
	soft_port_keep_macs(&sw, &port[1], NULL, 0);
	assert_int_equal(frame(2, mac(0), mac(2), 0), 0);
	soft_port_detach(&sw, &port[0]);
	assert_int_equal(frame(2, mac(0), mac(2), 0), 1U << UP);
	source.smac = mac(0);
	dropped(1, &source, SOFT_DROP_MAC);
}

static void test_attach(void **state)
{
	struct soft_port second = { 0 };

	(void)state;
	populate();
	assert_int_equal(soft_port_attach(&sw, &port[0], 9), -EBUSY);
	soft_port_init(&second, SOFT_PORT_UPLINK, NULL);
	assert_int_equal(soft_port_attach(&sw, &second, 7), -EBUSY);
	assert_int_equal(soft_port_attach(&sw, &second, 8), 0);
	soft_port_detach(&sw, &second);
	soft_port_detach(&sw, &second);		/* nothing to do */
	soft_port_fini(&second);
	assert_non_null(xa_load(&sw.segments, 7));
}

static void test_full(void **state)
{
	struct soft_port *many = calloc(SOFT_SEGMENT_PORTS + 1, sizeof(*many));
	u32 i;

	(void)state;
	assert_non_null(many);
	for (i = 0; i <= SOFT_SEGMENT_PORTS; i++) {
		soft_port_init(&many[i], SOFT_PORT_INSTANCE, NULL);
		assert_int_equal(soft_port_attach(&sw, &many[i], 1),
				 i < SOFT_SEGMENT_PORTS ? 0 : -ENOSPC);
	}
	for (i = 0; i <= SOFT_SEGMENT_PORTS; i++)
		soft_port_detach(&sw, &many[i]);
	assert_null(xa_load(&sw.segments, 1));
	free(many);
}

static void test_no_memory(void **state)
{
	u32 n;
	int err = -ENOMEM;

	(void)state;
	for (n = 1; err; n++) {
		assert_true(n < 10);
		shim_fail_nth(n);
		err = soft_port_attach(&sw, &port[0], 1);
		shim_fail_nth(0);
		assert_true(!err || err == -ENOMEM);
		assert_int_equal(!!xa_load(&sw.segments, 1), !err);
	}
	assert_true(n > 2);
	shim_fail_nth(1);
	assert_int_equal(soft_port_add_mac(&sw, &port[0], mac(0), SOFT_CLAIM_POLICY), -ENOMEM);
	shim_fail_nth(1);
	assert_int_equal(soft_port_set_gids(&sw, &port[0], (const u8[1][16]){ { 1 } }, 1), -ENOMEM);
	shim_fail_nth(0);
	assert_int_equal(port[0].n_macs, 0);
	assert_false(soft_port_has_gid(&port[0], (const u8[16]){ 1 }));
}

static u32 flooded(u32 n)
{
	struct soft_source source = { .dmac = broadcast, .smac = mac(0) };
	enum soft_drop cause;
	u32 sent = 0;

	while (n--) {
		send_all(0, &source, &cause);
		sent += cause == SOFT_DROP_NONE;
	}
	return sent;
}

/* A burst, then the rate; unicast and the host are not concerned. */
static void test_flood_bound(void **state)
{
	struct soft_source source = { .dmac = broadcast, .smac = mac(0) };
	u32 i, n;

	(void)state;
	populate();
	assert_int_equal(flooded(SOFT_FLOOD_BURST + 500), SOFT_FLOOD_BURST);
	assert_int_equal(soft_port_dropped(&port[0], SOFT_DROP_FLOOD), 500);
	assert_int_equal(frame(0, mac(1), mac(0), 0), 1U << 1);
	assert_int_equal(frame(1, broadcast, mac(1), 0), 1U << 0 | 1U << 2 | 1U << UP);
	/* In steps that each give less than a frame, nothing is lost by rounding. */
	for (i = 0, n = 0; i < 10000; i++) {
		shim_clock_advance(1000);
		n += flooded(1);
	}
	assert_in_range(n, SOFT_FLOOD_RATE / 100 - 1, SOFT_FLOOD_RATE / 100);
	shim_clock_advance(3600ULL * NSEC_PER_SEC);
	assert_int_equal(flooded(SOFT_FLOOD_BURST + 1), SOFT_FLOOD_BURST);
	/* Looking again costs nothing. */
	for (i = 0; i < 10; i++) {
		struct soft_forward forward;
		int idx = srcu_read_lock(&srcu);

		assert_true(soft_forward_begin(&sw, &port[0], &source, false, &forward) ==
			    SOFT_DROP_NONE);
		srcu_read_unlock(&srcu, idx);
	}
	for (i = 0; i < 2 * SOFT_FLOOD_BURST; i++)
		assert_int_equal(frame(UP, broadcast, nobody, 0), 7);
	/* An uplink that is not the host's own is one more tenant. */
	WRITE_ONCE(port[UP].rated, true);
	for (i = 0; i < SOFT_FLOOD_BURST; i++)
		assert_int_equal(frame(UP, broadcast, nobody, 0), 7);
	source = (struct soft_source){ .dmac = broadcast, .smac = nobody };
	dropped(UP, &source, SOFT_DROP_FLOOD);
}

/* A sender that stopped after some receivers goes on with the next, though ports went. */
static void test_resume(void **state)
{
	struct soft_source source = { .dmac = broadcast, .smac = mac(0) };
	struct soft_forward forward;
	u32 at;
	int idx;

	(void)state;
	populate();
	idx = srcu_read_lock(&srcu);
	assert_true(soft_forward_begin(&sw, &port[0], &source, true, &forward) == SOFT_DROP_NONE);
	assert_ptr_equal(soft_forward_next(&forward), &port[1]);
	at = forward.at;
	srcu_read_unlock(&srcu, idx);
	soft_port_detach(&sw, &port[1]);
	soft_port_detach(&sw, &port[2]);
	assert_int_equal(soft_port_attach(&sw, &port[2], 7), 0);	/* now the last */
	idx = srcu_read_lock(&srcu);
	assert_true(soft_forward_begin(&sw, &port[0], &source, false, &forward) == SOFT_DROP_NONE);
	forward.at = at;
	assert_ptr_equal(soft_forward_next(&forward), &port[UP]);
	assert_ptr_equal(soft_forward_next(&forward), &port[2]);
	assert_null(soft_forward_next(&forward));
	srcu_read_unlock(&srcu, idx);
}

#define MANY	300U

/* However often a sender stops, and whoever gets it: each port is looked at once. */
static void test_walk(void **state)
{
	struct soft_source source = { .dmac = broadcast, .smac = mac(0), .frame = &(struct soft_frame){} };
	struct soft_port *many = calloc(MANY, sizeof(*many)), *to;
	struct soft_forward forward;
	u32 i, at, looks = 0, found = 0, pauses = 0;
	int idx;

	(void)state;
	populate();
	for (i = 0; i < MANY; i++) {
		soft_port_init(&many[i], SOFT_PORT_INSTANCE, NULL);
		many[i].up = true;
		assert_int_equal(soft_port_attach(&sw, &many[i], 7), 0);
	}
	idx = srcu_read_lock(&srcu);
	for (at = 1; ; at = forward.at, looks += forward.looks, found++) {
		assert_true(soft_forward_begin(&sw, &port[0], &source, 0, &forward) ==
			    SOFT_DROP_NONE);
		forward.at = at;
		if (!soft_forward_next(&forward))
			break;
	}
	assert_int_equal(found, MANY + 3);
	assert_int_equal(looks, MANY + 4);
	/* Only the last one wants it; the others take many calls. */
	WRITE_ONCE(port[UP].up, false);
	WRITE_ONCE(many[MANY - 1].promisc, true);
	source.dmac = nobody;
	assert_true(soft_forward_begin(&sw, &port[0], &source, 0, &forward) == SOFT_DROP_NONE);
	while (!(to = soft_forward_next(&forward)) && forward.more)
		pauses++;
	assert_ptr_equal(to, &many[MANY - 1]);
	assert_int_equal(pauses, (MANY + 3) / SOFT_FORWARD_LOOKS);
	assert_int_equal(forward.looks, MANY + 4);
	assert_null(soft_forward_next(&forward));
	assert_false(forward.more);
	srcu_read_unlock(&srcu, idx);
	for (i = 0; i < MANY; i++) {
		soft_port_detach(&sw, &many[i]);
		soft_port_fini(&many[i]);
	}
	free(many);
}

/* Forwarding beside ports that come, go and change addresses. */
static int stop;

static void *forwarder(void *arg)
{
	struct soft_source source = { .dmac = broadcast, .smac = mac(0) };
	struct soft_forward forward;
	struct soft_port *to;
	u64 *n = arg;
	u32 round = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		int idx = srcu_read_lock(&srcu);

		source.dmac = round++ & 1 ? broadcast : mac(1);
		if (soft_forward_begin(&sw, &port[0], &source, false, &forward) == SOFT_DROP_NONE)
			while ((to = soft_forward_next(&forward)))
				__atomic_fetch_add(n, to->order, __ATOMIC_RELAXED);
		srcu_read_unlock(&srcu, idx);
	}
	return NULL;
}

static void test_churn(void **state)
{
	pthread_t thread;
	u64 n = 0;
	u32 i;

	(void)state;
	populate();
	stop = 0;
	assert_int_equal(pthread_create(&thread, NULL, forwarder, &n), 0);
	while (!__atomic_load_n(&n, __ATOMIC_RELAXED))
		sched_yield();
	for (i = 0; i < 300; i++) {
		soft_port_detach(&sw, &port[1]);
		assert_int_equal(soft_port_attach(&sw, &port[1], i % 2 ? 7 : 8), 0);
		assert_int_equal(soft_port_add_mac(&sw, &port[1], mac(1), SOFT_CLAIM_POLICY), 0);
		soft_port_keep_macs(&sw, &port[2], NULL, 0);
		assert_int_equal(soft_port_add_mac(&sw, &port[2], mac(2), SOFT_CLAIM_POLICY), 0);
		assert_int_equal(soft_port_set_gids(&sw, &port[0], (const u8[1][16]){ { 1 } }, 1), 0);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

static void test_texts(void **state)
{
	u32 i;

	(void)state;
	for (i = 0; i < SOFT_DROP_CAUSES; i++) {
		assert_non_null(soft_drop_text(i));
		assert_true(strlen(soft_drop_name(i)) < 20);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unicast), TEST(self), TEST(unknown), TEST(flood), TEST(segments),
		TEST(segment_ids), TEST(spoof), TEST(vlan), TEST(gid), TEST(down),
		TEST(addresses), TEST(claims), TEST(failover), TEST(attach),
		 TEST(full), TEST(no_memory), TEST(flood_bound),
		TEST(resume), TEST(walk), TEST(churn), TEST(texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
