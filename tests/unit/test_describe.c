// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Objects and commands as text: what debugfs shows of an instance.
 */
#include <string.h>

#include <mhca/vmm.h>
#include "fixture.h"

#define LINE	256

/* The line of an object of @g. */
static const char *object_line(struct guest *g, enum mhca_object_kind kind, u32 number)
{
	static char line[LINE];
	struct mhca_instance *inst = g->vmm->inst;
	struct mhca_object *obj;
	int length = -1;

	mutex_lock(&inst->cmd_lock);
	obj = mhca_object_find(inst, kind, number);
	if (obj)
		length = mhca_object_describe(obj, line, sizeof(line));
	mutex_unlock(&inst->cmd_lock);
	assert_int_equal(length, strlen(line));
	return line;
}

#define assert_says(line, text)							\
	do {									\
		const char *said = (line);					\
										\
		if (!strstr(said, text))					\
			fail_msg("\"%s\" is not in \"%s\"", text, said);		\
	} while (0)

static void queue_pairs(void **state)
{
	static const struct { u8 type; const char *text; } types[] = {
		{ MLX5_QP_ST_RC, " RC RTS" }, { MLX5_QP_ST_UC, " UC RTS" },
	};
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 64);
	struct client_send wr = { .opcode = MLX5_OPCODE_SEND, .sge = &sge, .n_sge = 1,
				  .flags = CLIENT_SIGNALED };
	struct client_modify m;
	struct pair p;
	char text[64];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		pair_open(&p, types[i].type, &w->g[0], &w->g[1]);
		assert_says(object_line(&w->g[0], MHCA_QP, p.qp[0].qpn), types[i].text);
		snprintf(text, sizeof(text), "peer=0x%06x", p.qp[1].qpn);
		assert_says(object_line(&w->g[0], MHCA_QP, p.qp[0].qpn), text);
		recv_one(&p, 1, 1, 0, 64);
		assert_says(object_line(&w->g[1], MHCA_QP, p.qp[1].qpn), "rq=0/1");
		assert_ok(client_post_send(&p.qp[0], &wr));
		assert_says(object_line(&w->g[0], MHCA_QP, p.qp[0].qpn), "sq=0/1");
		settle(w);
		assert_says(object_line(&w->g[0], MHCA_QP, p.qp[0].qpn), "sq=1/1");
		assert_says(object_line(&w->g[1], MHCA_QP, p.qp[1].qpn), "rq=1/1");
		pair_modify(&p, 0, &m);
		assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_2ERR_QP, &m));
		assert_says(object_line(&w->g[0], MHCA_QP, p.qp[0].qpn), " ERR ");
		while (client_poll_cq(&w->g[0].cq, 1, &(struct client_wc) { }) ||
		       client_poll_cq(&w->g[1].cq, 1, &(struct client_wc) { }))
			;
		pair_close(&p);
	}
}

static void other_objects(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct client_srq_attr attr = { .pd = g->pd, .log_size = 4, .max_sge = 1 };
	struct client_srq srq;
	char text[64];

	assert_says(object_line(g, MHCA_CQ, g->cq.cqn), " entries=1024 ");
	assert_says(object_line(g, MHCA_CQ, g->cq.cqn), " pages=");
	assert_says(object_line(g, MHCA_CQ, g->cq.cqn), " pi=0 ci=0 arm=0xffffffff");
	client_arm_cq(&g->cq, true);
	assert_says(object_line(g, MHCA_CQ, g->cq.cqn), " arm=0x01000000");
	snprintf(text, sizeof(text), " key=0x%08x pd=%u MTT ", g->key, g->pd);
	assert_says(object_line(g, MHCA_MKEY, g->key >> 8), text);
	assert_says(object_line(g, MHCA_MKEY, g->key >> 8), "access=wRWA");
	assert_ok(client_create_srq(&g->c, &attr, &srq));
	assert_says(object_line(g, MHCA_SRQ, srq.srqn), " posted=0 taken=0 limit=0");
	assert_ok(client_destroy_srq(&srq));
}

/* The memory under a queue goes: the line says so. */
static void unmapped(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];

	mhca_instance_dma_unmap(g->vmm->inst, client_iova(&g->c, g->buf.va), PAGE_SIZE);
	assert_says(object_line(g, MHCA_MKEY, g->key >> 8), " unmapped");
}

static void commands(void **state)
{
	struct world *w = *state;
	struct mhca_instance *inst = w->g[0].vmm->inst;
	unsigned long long count, refused;
	bool seen = false;
	char line[LINE];
	u32 i;

	for (i = 0; mhca_command_describe(inst, i, line, sizeof(line)); i++)
		if (sscanf(line, "ALLOC_PD %llu %llu", &count, &refused) == 2) {
			assert_int_equal(count, 1);
			assert_int_equal(refused, 0);
			seen = true;
		}
	assert_true(seen);
	assert_false(mhca_command_describe(inst, i + 1, line, sizeof(line)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(queue_pairs, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(other_objects, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(commands, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(unmapped, world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
