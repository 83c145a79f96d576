// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * An Ethernet port moves: what its driver wants of it, and whose its addresses are at each
 * moment.
 */
#include "eth_rig.h"
#include "host_port.h"
#include "migrate_rig.h"
#include "switch/switch.h"

static const u8 foreign[2][6] = { { 2, 9, 9, 9, 9, 1 }, { 2, 9, 9, 9, 9, 2 } };

static int exec(struct eth_node *n, void *in, u32 len, void *out, u32 outlen, u16 opcode)
{
	MLX5_SET(create_rq_in, in, opcode, opcode);
	return client_exec(&n->c, in, len, out, outlen);
}

/* ---- What the driver wants -------------------------------------------------------- */

#define LIST_MAX	512U

/* A list of addresses of one type, or of VLANs. */
static void set_list(struct eth_node *n, u32 type, u32 count)
{
	u8 in[MLX5_ST_SZ_BYTES(modify_nic_vport_context_in) + 8 * LIST_MAX] = { 0 }, out[16];
	u8 *entry = in + MLX5_ST_SZ_BYTES(modify_nic_vport_context_in);
	u32 i;

	MLX5_SET(modify_nic_vport_context_in, in, field_select.addresses_list, 1);
	MLX5_SET(modify_nic_vport_context_in, in, nic_vport_context.allowed_list_type, type);
	MLX5_SET(modify_nic_vport_context_in, in, nic_vport_context.allowed_list_size, count);
	for (i = 0; i < count; i++, entry += 8) {
		if (type == 2) {
			MLX5_SET(vlan_layout, entry, vlan, 7 * i + 1);
			continue;
		}
		memcpy(entry + 2, foreign[0], 6);
		entry[2] |= type == 1;
		put_unaligned_be16(i + 1, entry + 6);
	}
	assert_int_equal(exec(n, in, MLX5_ST_SZ_BYTES(modify_nic_vport_context_in) + 8 * count, out,
			      sizeof(out), MLX5_CMD_OP_MODIFY_NIC_VPORT_CONTEXT), 0);
}

static void set_modes(struct eth_node *n, u32 mtu, bool uc, bool mc, bool all)
{
	u8 in[MLX5_ST_SZ_BYTES(modify_nic_vport_context_in)] = { 0 }, out[16];

	MLX5_SET(modify_nic_vport_context_in, in, field_select.mtu, 1);
	MLX5_SET(modify_nic_vport_context_in, in, nic_vport_context.mtu, mtu + 22);
	MLX5_SET(modify_nic_vport_context_in, in, field_select.promisc, 1);
	MLX5_SET(modify_nic_vport_context_in, in, nic_vport_context.promisc_uc, uc);
	MLX5_SET(modify_nic_vport_context_in, in, nic_vport_context.promisc_mc, mc);
	MLX5_SET(modify_nic_vport_context_in, in, nic_vport_context.promisc_all, all);
	assert_int_equal(exec(n, in, sizeof(in), out, sizeof(out),
			      MLX5_CMD_OP_MODIFY_NIC_VPORT_CONTEXT), 0);
}

/* PAOS: the driver takes its port down or up; 0: what does it say? Return: that. */
static u32 admin(struct eth_node *n, u32 status)
{
	u8 in[MLX5_ST_SZ_BYTES(access_register_in) + 64] = { 0 }, out[128] = { 0 };
	u32 bytes = MLX5_BYTE_OFF(access_register_in, register_data) + MLX5_ST_SZ_BYTES(paos_reg);
	void *data = MLX5_ADDR_OF(access_register_in, in, register_data);

	MLX5_SET(access_register_in, in, op_mod, !status);
	MLX5_SET(access_register_in, in, register_id, 0x5006);
	MLX5_SET(paos_reg, data, local_port, 1);
	MLX5_SET(paos_reg, data, admin_status, status);
	assert_int_equal(exec(n, in, bytes, out, bytes, MLX5_CMD_OP_ACCESS_REG), 0);
	return MLX5_GET(paos_reg, MLX5_ADDR_OF(access_register_out, out, register_data),
			admin_status);
}

/**
 * struct view - all that a driver can read of its port
 * @context: NIC vport context with each list
 * @roce: RoCE address table
 * @admin: PAOS
 */
struct view {
	u8 context[3][MLX5_ST_SZ_BYTES(query_nic_vport_context_out) + 8 * LIST_MAX];
	u8 roce[MHCA_ROCE_ADDRESSES][MLX5_ST_SZ_BYTES(query_roce_address_out)];
	u32 admin;
};

static void look(struct eth_node *n, struct view *view)
{
	u8 in[MLX5_ST_SZ_BYTES(query_nic_vport_context_in)];
	u32 i;

	memset(view, 0, sizeof(*view));
	for (i = 0; i < 3; i++) {
		memset(in, 0, sizeof(in));
		MLX5_SET(query_nic_vport_context_in, in, allowed_list_type, i);
		assert_int_equal(exec(n, in, sizeof(in), view->context[i], sizeof(view->context[i]),
				      MLX5_CMD_OP_QUERY_NIC_VPORT_CONTEXT), 0);
	}
	for (i = 0; i < MHCA_ROCE_ADDRESSES; i++) {
		memset(in, 0, sizeof(in));
		MLX5_SET(query_roce_address_in, in, roce_address_index, i);
		assert_int_equal(exec(n, in, MLX5_ST_SZ_BYTES(query_roce_address_in), view->roce[i],
				      sizeof(view->roce[i]), MLX5_CMD_OP_QUERY_ROCE_ADDRESS), 0);
	}
	view->admin = admin(n, 0);
}

static void addresses(struct eth_node *n)
{
	u8 gid[16] = { 0xfe, 0x80, [15] = 1 }, ipv4[16] = { [10] = 0xff, 0xff, 10, 0, 0, 1 };

	assert_int_equal(client_enable_roce(&n->c), 0);
	assert_int_equal(client_set_roce_address(&n->c, 0, gid, n->vmm->inst->id.mac, -1,
						 CLIENT_ROCE_V1), 0);
	assert_int_equal(client_set_roce_address(&n->c, 1, ipv4, foreign[0], 4094,
						 CLIENT_ROCE_V2_IPV4), 0);
	assert_int_equal(client_set_roce_address(&n->c, MHCA_ROCE_ADDRESSES - 1, gid,
						 n->vmm->inst->id.mac, 0, CLIENT_ROCE_V2_IPV6), 0);
}

static void test_wishes(void **state)
{
	static struct view before, after;
	struct eth_node *n = &node[0];
	u32 round;

	for (round = 0; round < 8; round++) {
		look(n, &before);
		migrate_move(n->vmm);
		look(n, &after);
		assert_memory_equal(&before, &after, sizeof(before));
		assert_int_equal(admin(n, 0), round & 1 ? 2 : 1);
		if (round < 3)
			set_list(n, round, round ? MHCA_MAX_MC : MHCA_MAX_UC);
		if (round == 4)
			addresses(n);
		if (round == 6)
			set_list(n, 1, 3);
		set_modes(n, 68 + 1400 * round, round & 1, round & 2, round & 4);
		assert_int_equal(admin(n, round & 1 ? 1 : 2), round & 1 ? 1 : 2);
	}
}

/* ---- Whose its addresses are --------------------------------------------------------- */

static struct mhca_instance *owner(const u8 *mac)
{
	struct soft_instance *si;
	int idx = srcu_read_lock(&hca.srcu);

	si = soft_switch_find(&hca, 5, mac);
	srcu_read_unlock(&hca.srcu, idx);
	return si ? si->inst : NULL;
}

static void trust(struct mhca_instance *inst, bool trusted, u32 weight)
{
	struct mhca_policy policy = inst->policy;

	policy.value[MHCA_POLICY_SPOOF_CHECK] = !trusted;
	policy.value[MHCA_POLICY_WEIGHT] = weight;
	mhca_policy_apply(inst, &policy);
}

/**
 * struct place - an instance that has been loaded, and its source
 * @from: source; it stands still
 * @to: the other one
 * @mac: its MAC, and the other one's
 * @guest: what its guest claims beside that
 * @len: bytes of the image
 */
struct place {
	struct mhca_instance *from;
	struct mhca_instance *to;
	u8 mac[2][6];
	u8 guest[6];
	u32 len;
};

static void place_open(struct place *p)
{
	struct eth_node *n = &node[0];

	trust(n->vmm->inst, true, 100);
	set_list(n, 0, 2);
	addresses(n);
	memcpy(p->guest, foreign[0], 6);
	put_unaligned_be16(2, p->guest + 4);
	p->from = n->vmm->inst;
	p->to = target(n->vmm);
	memcpy(p->mac[0], p->from->id.mac, 6);
	memcpy(p->mac[1], p->to->id.mac, 6);
	stop(p->from);
	p->len = save(p->from);
}

/* Each has its own, and nothing of the other's. */
static void place_is(const struct place *p, struct mhca_instance *it,
		     struct mhca_instance *other, bool claims)
{
	assert_ptr_equal(owner(p->mac[0]), it);
	assert_ptr_equal(owner(p->mac[1]), other);
	assert_ptr_equal(owner(p->guest), claims ? it : NULL);
	assert_memory_equal(it->id.mac, p->mac[0], 6);
	assert_true(soft_instance(it)->roce);
	assert_false(soft_instance(other)->roce);
	assert_int_equal(soft_instance(it)->port->n_macs, claims ? 3 : 1);
	assert_int_equal(soft_instance(other)->port->n_macs, 1);
	assert_ptr_equal(soft_instance(it)->port->owner, soft_instance(it));
	assert_ptr_equal(soft_instance(other)->port->owner, soft_instance(other));
	assert_int_equal(soft_instance(it)->port->gids->n, 2);
	assert_null(soft_instance(other)->port->gids);
}

static void test_changeover(void **state)
{
	struct eth_node *n = &node[0];
	struct place p;
	u32 order;

	place_open(&p);
	order = soft_instance(p.from)->port->order;
	place_is(&p, p.from, p.to, true);
	assert_int_equal(load(p.to, image, p.len, NULL), 0);
	place_is(&p, p.from, p.to, true);
	/* Not with a change of policy either, of the one or the other. */
	trust(p.to, true, 50);
	trust(p.from, true, 50);
	place_is(&p, p.from, p.to, true);
	assert_false(p.to->vport->roce);

	assert_int_equal(mhca_instance_run(p.to, MHCA_RUN_RESPONDER), 0);
	place_is(&p, p.to, p.from, true);
	assert_int_equal(soft_instance(p.to)->port->order, order);
	assert_memory_equal(p.to->vport->mac, p.mac[0], 6);
	trust(p.to, true, 70);
	place_is(&p, p.to, p.from, true);
	/* The source is another one after a reset, and nothing of the old one comes back. */
	mhca_instance_reset(p.from);
	place_is(&p, p.to, p.from, true);
	assert_memory_equal(p.from->vport->mac, p.mac[1], 6);
	assert_int_equal(mhca_instance_run(p.from, MHCA_RUN_ALL), 0);
	place_is(&p, p.to, p.from, true);
	trust(p.to, false, 70);
	place_is(&p, p.to, p.from, false);
	vmm_user_switch(n->vmm, p.to);
	assert_int_equal(mhca_instance_run(p.to, MHCA_RUN_ALL), 0);
}

/* The target's policy decides what its port may be. */
static void test_other_policy(void **state)
{
	struct eth_node *n = &node[0];
	struct place p;

	place_open(&p);
	trust(p.to, false, 100);
	assert_int_equal(load(p.to, image, p.len, NULL), 0);
	assert_int_equal(mhca_instance_run(p.to, MHCA_RUN_RESPONDER), 0);
	place_is(&p, p.to, p.from, false);
	vmm_user_switch(n->vmm, p.to);
	assert_int_equal(mhca_instance_run(p.to, MHCA_RUN_ALL), 0);
}

/* Nobody gets a port whose image he has not read, or that goes on. */
static void test_refused(void **state)
{
	struct eth_node *n = &node[0];
	struct mhca_instance *second;
	struct place p;
	u32 at;

	place_open(&p);
	for (at = 0; image[at] != MHCA_IMAGE_IDENTITY;)
		at += sizeof(struct mhca_record) + body_of(at);
	at += sizeof(struct mhca_record) + 2 + 8 + 8 + 6;
	image[at] ^= 1;
	assert_int_equal(load(p.to, image, p.len, NULL), 0);
	assert_int_equal(mhca_instance_run(p.to, MHCA_RUN_RESPONDER), -EADDRINUSE);
	place_is(&p, p.from, p.to, true);
	mhca_instance_reset(p.to);
	place_is(&p, p.from, p.to, true);
	image[at] ^= 1;
	second = target(n->vmm);
	assert_int_equal(load(second, image, p.len, NULL), 0);
	assert_int_equal(load(p.to, image, p.len, NULL), 0);
	assert_int_equal(mhca_instance_run(p.to, MHCA_RUN_RESPONDER), 0);
	assert_int_equal(mhca_instance_run(second, MHCA_RUN_RESPONDER), -EADDRINUSE);
	place_is(&p, p.to, p.from, true);
	mhca_instance_destroy(second);
	place_is(&p, p.to, p.from, true);
	vmm_user_switch(n->vmm, p.to);
	assert_int_equal(mhca_instance_run(p.to, MHCA_RUN_ALL), 0);
}

/* Loaded, never run, and saved again: who runs first has the place, by the first lease. */
static void test_passed_on(void **state)
{
	struct eth_node *n = &node[0];
	struct mhca_instance *last;
	struct place p;

	place_open(&p);
	assert_int_equal(load(p.to, image, p.len, NULL), 0);
	last = target(n->vmm);
	assert_int_equal(save(p.to), p.len);
	assert_int_equal(load(last, image, p.len, NULL), 0);
	place_is(&p, p.from, p.to, true);
	assert_int_equal(mhca_instance_run(last, MHCA_RUN_RESPONDER), 0);
	assert_ptr_equal(owner(p.mac[0]), last);
	assert_ptr_equal(owner(p.guest), last);
	assert_ptr_equal(owner(p.mac[1]), p.to);
	assert_int_equal(mhca_instance_run(p.to, MHCA_RUN_RESPONDER), -EADDRINUSE);
	mhca_instance_destroy(p.to);
	vmm_user_switch(n->vmm, last);
	assert_int_equal(mhca_instance_run(last, MHCA_RUN_ALL), 0);
}

/* What a switch outside learns from. */
static void announced(const struct host_port *host, const u8 *mac)
{
	static const u8 arp[] = { 0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3 };
	u8 everybody[6];

	memset(everybody, 0xff, sizeof(everybody));
	assert_int_equal(host->packets, 1);
	assert_int_equal(host->len, 60);
	assert_memory_equal(host->frame, everybody, 6);
	assert_memory_equal(host->frame + 6, mac, 6);
	assert_memory_equal(host->frame + 12, arp, sizeof(arp));
	assert_memory_equal(host->frame + 22, mac, 6);
	assert_memory_equal(host->frame + 32, mac, 6);
}

/* From another host: it has these addresses here, and whatever LID. */
static void test_other_host(void **state)
{
	static struct host_port host;
	struct eth_node *n = &node[0];
	struct mhca_policy policy = n->vmm->inst->policy;
	u64 guid = n->vmm->inst->id.node_guid;
	struct mhca_instance *to;
	struct place p;
	u8 *frame;
	u32 i;

	for (i = 0; i < 3; i++) {
		place_open(&p);
		vmm_user_switch(n->vmm, p.to);		/* the source is gone */
		to = vmm_user_target(n->vmm, guid);
		/* Another MAC, so it is not the one. */
		policy.value[MHCA_POLICY_MAC] ^= 1;
		mhca_policy_apply(to, &policy);
		assert_int_equal(load(to, image, p.len, NULL), 0);
		assert_int_equal(mhca_instance_run(to, MHCA_RUN_RESPONDER), -EADDRINUSE);
		assert_null(owner(p.guest));
		policy.value[MHCA_POLICY_MAC] ^= 1;
		mhca_policy_apply(to, &policy);
		assert_int_equal(host_port_up(&host, &hca, 5), 0);
		assert_int_equal(mhca_instance_run(to, MHCA_RUN_RESPONDER), 0);
		announced(&host, p.mac[0]);
		/* Not trusted here. */
		place_is(&p, to, p.to, false);
		vmm_user_switch(n->vmm, to);
		assert_int_equal(mhca_instance_run(to, MHCA_RUN_ALL), 0);
		udp_frame(n, node[1].vmm->inst->id.mac, 100, 0);
		post_buffers(&node[1], 1);
		send_frame(n, 100, 18, 0);
		assert_int_equal(sent(n, i), 0);
		assert_int_equal(be32_to_cpu(received(&node[1], &frame)->byte_cnt), 100);
		/* On one host nobody outside sees a difference. */
		migrate_move(n->vmm);
		assert_int_equal(host.packets, 1);
		host_port_down(&host);
		guid = n->vmm->inst->id.node_guid;
	}
}

/* ---- Images that are wrong --------------------------------------------------------- */

/* Where the record of the port begins in the image. */
static u8 *port_of(u32 len)
{
	u32 at = 0;

	while (image[at] != MHCA_IMAGE_VPORT)
		at += sizeof(struct mhca_record) + body_of(at);
	assert_true(at < len);
	return image + at;
}

static void test_wrong(void **state)
{
	static const u8 low[2] = { 67, 0 }, high[2] = { 0xfb, 0x26 }, many[4] = { 0xff, 0xff };
	static const u8 versions[] = { 1, 3, 0xff };
	struct mhca_record end = { .tag = cpu_to_le16(MHCA_IMAGE_END) };
	struct vmm_user *vmm = node[0].vmm;
	u8 *at, *gid, old[16];
	struct place p;
	u32 i, len;

	place_open(&p);
	len = p.len;
	at = port_of(len) + sizeof(end);
	refused_with(vmm, len, at + 2, low, 2);
	refused_with(vmm, len, at + 2, high, 2);
	refused_with(vmm, len, at + 7, many, 4);		/* unicast addresses, … */
	refused_with(vmm, len, at + 11 + 12, many, 4);		/* groups, … */
	refused_with(vmm, len, at + 15 + 12, many, 4);		/* VLANs */
	gid = at + 19 + 12 + 1;					/* the first address: fe80::1 */
	assert_int_equal(gid[0], 0xfe);
	for (i = 0; i < ARRAY_SIZE(versions); i++)
		refused_with(vmm, len, gid + 16 + 6 + 3, &versions[i], 1);
	refused_with(vmm, len, gid + 16 + 6 + 4, versions, 1);	/* RoCE v1 over IPv4 */
	refused_with(vmm, len, gid + 16 + 6 + 1, high, 2);	/* VLAN */
	memset(old, 0, sizeof(old));
	refused_with(vmm, len, gid, old, 16);			/* no address */
	/* Without the record; with two of it. */
	refused_with(vmm, len, at - sizeof(end), &end, sizeof(end));
	i = sizeof(end) + body_of(at - sizeof(end) - image);
	memmove(at + i, at, image + len - at);
	memmove(at - sizeof(end) + i, at - sizeof(end), i);
	assert_int_equal(attempt(vmm, image, len + i, NULL), -EINVAL);
	mhca_instance_destroy(p.to);
	assert_int_equal(mhca_instance_run(p.from, MHCA_RUN_ALL), 0);
}

/* Capabilities that a guest has read and that are not ours, each of the sets. */
static void test_capabilities(void **state)
{
	const u32 record = sizeof(struct mhca_record), kinds = 4 + 4 * MHCA_OBJECT_KINDS;
	struct place p;
	char why[200];
	u8 *at;
	u32 i;

	place_open(&p);
	for (i = 0; i < 3; i++) {
		at = image + record + body_of(0) + record + kinds + (2 + i) * MHCA_CAP_SIZE + 4 * i;
		at[0] ^= 1;		/* its type */
		assert_int_equal(attempt(node[0].vmm, image, p.len, why), -EINVAL);
		assert_non_null(strstr(why, "capabilities"));
		at[0] ^= 1;
		at[4 + MHCA_CAP_SIZE - 1] ^= 1;
		assert_int_equal(attempt(node[0].vmm, image, p.len, why), -EINVAL);
		assert_non_null(strstr(why, "capabilities"));
		at[4 + MHCA_CAP_SIZE - 1] ^= 1;
	}
	assert_int_equal(attempt(node[0].vmm, image, p.len, NULL), 0);
	mhca_instance_destroy(p.to);
	assert_int_equal(mhca_instance_run(p.from, MHCA_RUN_ALL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(wishes),
		TEST(changeover),
		TEST(other_policy),
		TEST(refused),
		TEST(passed_on),
		TEST(other_host),
		TEST(wrong),
		TEST(capabilities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
