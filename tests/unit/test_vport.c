// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What policy and the guest make of an Ethernet port, one beside the other. */
#include <pthread.h>
#include <sched.h>

#include <mhca/policy.h>
#include "fixture.h"
#include "hca.h"

static const u8 foreign[6] = { 2, 9, 9, 9, 9, 9 };

static void set_policy(struct guest *g, enum mhca_policy_id id, u64 value)
{
	struct mhca_policy policy = g->vmm->inst->policy;

	policy.value[id] = value;
	mhca_policy_apply(g->vmm->inst, &policy);
}

/* MODIFY_NIC_VPORT_CONTEXT: @n further unicast addresses. */
static int set_list(struct guest *g, const u8 (*mac)[6], u32 n)
{
	u8 in[MLX5_ST_SZ_BYTES(modify_nic_vport_context_in) + 64] = { 0 };
	u8 *list = in + MLX5_ST_SZ_BYTES(modify_nic_vport_context_in);
	u8 out[64];
	u32 i;

	MLX5_SET(modify_nic_vport_context_in, in, opcode, MLX5_CMD_OP_MODIFY_NIC_VPORT_CONTEXT);
	MLX5_SET(modify_nic_vport_context_in, in, field_select.addresses_list, 1);
	MLX5_SET(modify_nic_vport_context_in, in, nic_vport_context.allowed_list_size, n);
	for (i = 0; i < n; i++)
		memcpy(list + 8 * i + 2, mac[i], 6);
	return client_exec(&g->c, in, MLX5_ST_SZ_BYTES(modify_nic_vport_context_in) + 8 * n, out,
			   MLX5_ST_SZ_BYTES(modify_nic_vport_context_out));
}

/* The driver takes its port down or up (PAOS). */
static int set_admin(struct guest *g, u32 status)
{
	u8 in[MLX5_ST_SZ_BYTES(access_register_in) + 64] = { 0 }, out[128];
	void *data = MLX5_ADDR_OF(access_register_in, in, register_data);
	u32 bytes = MLX5_BYTE_OFF(access_register_in, register_data) + MLX5_ST_SZ_BYTES(paos_reg);

	MLX5_SET(access_register_in, in, opcode, MLX5_CMD_OP_ACCESS_REG);
	MLX5_SET(access_register_in, in, register_id, 0x5006);
	MLX5_SET(paos_reg, data, local_port, 1);
	MLX5_SET(paos_reg, data, admin_status, status);
	return client_exec(&g->c, in, bytes, out, bytes);
}

/* Whose frames to an address are; NULL: nobody's. */
static struct guest *owner(struct world *w, const u8 *mac)
{
	struct mhca_instance *inst = w->g[0].vmm->inst;
	struct soft_instance *si;
	int idx = srcu_read_lock(&w->hca.srcu);
	u32 i;

	si = soft_switch_find(&w->hca, inst->port.segment, mac);
	srcu_read_unlock(&w->hca.srcu, idx);
	for (i = 0; si && i < WORLD_GUESTS; i++)
		if (si->inst == w->g[i].vmm->inst)
			return &w->g[i];
	return NULL;
}

static const u8 *mac_of(struct guest *g)
{
	return g->vmm->inst->id.mac;
}

/* ---- Who has an address -------------------------------------------------------------- */

static void a_guest_takes_nobodys_place(void **state)
{
	struct world *w = *state;
	struct guest *a = &w->g[0], *b = &w->g[1];
	u8 mac[2][6];

	memcpy(mac[0], mac_of(a), 6);
	memcpy(mac[1], foreign, 6);
	assert_ok(set_list(b, mac, 2));
	assert_null(owner(w, foreign));			/* checked, so not granted */
	set_policy(b, MHCA_POLICY_SPOOF_CHECK, false);
	assert_ptr_equal(owner(w, mac[0]), a);
	assert_ptr_equal(owner(w, foreign), b);
	/* In another segment; back, the owner has it again at once. */
	set_policy(a, MHCA_POLICY_SEGMENT, 7);
	set_policy(b, MHCA_POLICY_SEGMENT, 7);
	assert_ptr_equal(owner(w, mac[0]), a);
	set_policy(b, MHCA_POLICY_SPOOF_CHECK, true);
	assert_null(owner(w, foreign));
}

/* The future owner: policy's address counts, though a guest had it before. */
static void policy_takes_it_back(void **state)
{
	struct world *w = *state;
	struct guest *a = &w->g[0], *b = &w->g[1];
	u64 number = soft_mac_key(foreign);

	set_policy(b, MHCA_POLICY_SPOOF_CHECK, false);
	assert_ok(set_list(b, &foreign, 1));
	assert_ptr_equal(owner(w, foreign), b);
	set_policy(a, MHCA_POLICY_MAC, number);
	assert_ptr_equal(owner(w, foreign), a);
}

static void an_address_goes_with_the_link(void **state)
{
	struct world *w = *state;
	struct guest *a = &w->g[0], *b = &w->g[1];
	u8 mac[1][6];

	memcpy(mac[0], mac_of(a), 6);
	set_policy(b, MHCA_POLICY_SPOOF_CHECK, false);
	assert_ok(set_list(b, mac, 1));
	assert_ptr_equal(owner(w, mac[0]), a);
	set_policy(a, MHCA_POLICY_LINK, false);
	assert_ptr_equal(owner(w, mac[0]), b);
	set_policy(a, MHCA_POLICY_LINK, true);
	assert_ptr_equal(owner(w, mac[0]), a);
	assert_ok(set_admin(a, 2));
	assert_ptr_equal(owner(w, mac[0]), b);
	/* Down alone takes nothing from a driver that did not give it to another. */
	assert_ok(set_list(b, NULL, 0));
	assert_ptr_equal(owner(w, mac[0]), a);
	assert_ok(set_list(b, mac, 1));
	assert_ok(set_admin(a, 1));
	assert_ptr_equal(owner(w, mac[0]), a);
}

/* ---- Policy beside commands ------------------------------------------------------------ */

static struct mhca_hca_ops ops;
static const struct mhca_hca_ops *real;
static int inside, together, policies;

/* In the middle of the backend's work for one, the other gets every chance to begin. */
static void enter(void)
{
	u32 i;

	if (__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST) > 1)
		__atomic_store_n(&together, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i < 200 && !__atomic_load_n(&together, __ATOMIC_SEQ_CST); i++)
		sched_yield();
}

static void port_changed(struct mhca_instance *inst)
{
	enter();
	real->port_changed(inst);
	__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
}

static void vport_changed(struct mhca_instance *inst)
{
	enter();
	real->vport_changed(inst);
	__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
}

static void *administrator(void *arg)
{
	struct guest *g = arg;
	u32 i;

	for (i = 0; i < 200; i++) {
		set_policy(g, MHCA_POLICY_SPOOF_CHECK, i & 1);
		set_policy(g, MHCA_POLICY_SEGMENT, i >> 1 & 1);
	}
	__atomic_store_n(&policies, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* The backend hears of one change after the other, and the last word is policy's. */
static void policy_beside_commands(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	pthread_t thread;
	u32 n = 0;

	real = w->hca.hca.ops;
	ops = *real;
	ops.port_changed = port_changed;
	ops.vport_changed = vport_changed;
	w->hca.hca.ops = &ops;
	policies = 0;
	assert_ok(pthread_create(&thread, NULL, administrator, g));
	while (!__atomic_load_n(&policies, __ATOMIC_SEQ_CST))
		assert_ok(set_list(g, &foreign, n++ & 1));
	pthread_join(thread, NULL);
	w->hca.hca.ops = real;
	assert_int_equal(together, 0);
	assert_ok(set_list(g, &foreign, 1));
	set_policy(g, MHCA_POLICY_SPOOF_CHECK, true);
	assert_null(owner(w, foreign));
	assert_ptr_equal(owner(w, mac_of(g)), g);
}

static void *mover(void *arg)
{
	u32 i;

	for (i = 0; i < 300; i++)
		set_policy(arg, MHCA_POLICY_SEGMENT, i & 1);
	__atomic_store_n(&policies, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* The engine at work: grace periods last, and in the middle of a move there is time. */
static void *engine(void *arg)
{
	struct srcu_struct *srcu = arg;
	u32 i;
	int idx;

	while (!__atomic_load_n(&policies, __ATOMIC_SEQ_CST)) {
		idx = srcu_read_lock(srcu);
		for (i = 0; i < 50; i++)
			sched_yield();
		srcu_read_unlock(srcu, idx);
	}
	return NULL;
}

/* Groups are joined and left while the port goes from one segment to another. */
static void groups_beside_policy(void **state)
{
	static const u8 gid[16] = { 0xff, 0x0e, [15] = 7 };
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct client_qp_attr attr;
	struct client_qp qp;
	pthread_t thread, reader;

	policies = 0;
	assert_ok(pthread_create(&reader, NULL, engine, &w->hca.srcu));
	assert_ok(pthread_create(&thread, NULL, mover, g));
	client_qp_attr_init(&attr, MLX5_QP_ST_UD, g->pd, &g->cq);
	while (!__atomic_load_n(&policies, __ATOMIC_SEQ_CST)) {
		assert_ok(client_create_qp(&g->c, &attr, &qp));
		assert_ok(client_attach_mcast(&qp, gid));
		assert_ok(client_detach_mcast(&qp, gid));
		assert_ok(client_attach_mcast(&qp, gid));
		assert_ok(client_destroy_qp(&qp));
	}
	pthread_join(thread, NULL);
	pthread_join(reader, NULL);
	assert_int_equal(w->hca.mcast->n, 0);
}

#define roce_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup_roce, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		roce_test(a_guest_takes_nobodys_place),
		roce_test(policy_takes_it_back),
		roce_test(an_address_goes_with_the_link),
		cmocka_unit_test_setup_teardown(policy_beside_commands, world_setup_roce_threaded,
						world_teardown),
		cmocka_unit_test_setup_teardown(groups_beside_policy, world_setup_roce_threaded,
						world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
