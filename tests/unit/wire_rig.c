// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Guests joined by a bad wire: see wire_rig.h. */
#include <mhca/policy.h>
#include "wire_rig.h"

struct rig rig;

#define STEP_NS		2000U

u32 rig_random(u32 below)
{
	rig.seed = rig.seed * 1103515245U + 12345;
	return (rig.seed >> 8) % below;
}

static void enqueue(u32 to, const u8 *data, u32 len)
{
	struct rig_frame *f = &rig.frame[rig.n];

	assert_true(rig.n < RIG_FRAMES && len <= sizeof(f->data));
	rig.n++;
	f->due = ktime_get_ns() + RIG_DELAY_NS;
	if (rig_random(1000) < rig.late)
		f->due += rig_random(100000);
	f->to = to;
	f->len = len;
	memcpy(f->data, data, len);
	if (rig_random(1000) < rig.damage)
		f->data[rig_random(len)] ^= 1U << rig_random(8);
}

static void from_host(struct host_port *host)
{
	u32 from = host == &rig.host[1];
	struct wire_packet packet;

	rig.seen[from]++;
	assert_int_equal(wire_parse(&packet, host->frame, min(host->len, WIRE_HEAD_MAX), host->len),
			 WIRE_OK);
	if (rig.judge && !rig.judge(&rig, from, &packet))
		return;
	if (rig_random(1000) < rig.loss)
		return;
	enqueue(!from, host->frame, host->len);
	if (rig_random(1000) < rig.twice)
		enqueue(!from, host->frame, host->len);
}

static void segment_of(struct guest *g, u32 segment)
{
	struct mhca_policy policy = g->vmm->inst->policy;

	policy.value[MHCA_POLICY_SEGMENT] = segment;
	mhca_policy_apply(g->vmm->inst, &policy);
}

int rig_setup(void **state)
{
	u32 i;

	memset(&rig, 0, sizeof(rig));
	rig.frame = calloc(RIG_FRAMES, sizeof(*rig.frame));
	assert_non_null(rig.frame);
	assert_ok(world_setup_roce(state));
	rig.w = *state;
	rig.seed = 1;
	for (i = 0; i < 2; i++) {
		segment_of(&rig.w->g[i], 10 + i);
		assert_ok(host_port_up(&rig.host[i], &rig.w->hca, 10 + i));
		rig.host[i].seen = from_host;
	}
	return 0;
}

int rig_teardown(void **state)
{
	u32 i;

	for (i = 0; i < 2; i++)
		host_port_down(&rig.host[i]);
	free(rig.frame);
	return world_teardown(state);
}

void rig_open(struct pair *p, u8 type, void (*tune)(struct client_modify *m, u32 side))
{
	struct client_modify m;
	u32 i;

	pair_create(p, type, &rig.w->g[0], &rig.w->g[1]);
	for (i = 0; i < 2; i++) {
		pair_modify(p, i, &m);
		roce_path(p->g[!i], !i + 1, &m.path);
		if (tune)
			tune(&m, i);
		assert_ok(client_connect_qp(&p->qp[i], &m));
	}
}

void rig_post(struct pair *p, u32 side, u8 opcode, u32 len, u64 wr_id)
{
	struct client_sge sge = sge_of(p->g[side], 0, len);
	struct client_send wr = {
		.opcode = opcode, .wr_id = wr_id, .flags = CLIENT_SIGNALED, .sge = &sge,
		.n_sge = len ? 1 : 0, .imm = cpu_to_be32(0xabcd),
		.remote_addr = (uintptr_t)p->g[!side]->buf.va + RIG_TO,
		.rkey = p->g[!side]->key,
	};

	assert_ok(client_post_send(&p->qp[side], &wr));
}

/* What is due arrives, in the order of time. */
static bool arrive(void)
{
	u64 now = ktime_get_ns();
	u32 i, first = rig.n;
	struct rig_frame f;

	for (i = 0; i < rig.n; i++)
		if (rig.frame[i].due <= now &&
		    (first == rig.n || rig.frame[i].due < rig.frame[first].due))
			first = i;
	if (first == rig.n)
		return false;
	f = rig.frame[first];
	memmove(&rig.frame[first], &rig.frame[first + 1], (--rig.n - first) * sizeof(f));
	host_port_send(&rig.host[f.to], f.data, f.len);
	return true;
}

static void step(void)
{
	settle(rig.w);
	while (arrive())
		;
	settle(rig.w);
	shim_clock_advance(STEP_NS);
}

void rig_run(u64 ns)
{
	u64 end = ktime_get_ns() + ns;

	while (ktime_get_ns() < end)
		step();
}

struct client_wc rig_wc(u32 side)
{
	struct client_wc wc = { 0 };
	u32 n;

	for (n = 0; n < NSEC_PER_SEC / STEP_NS; n++) {
		if (client_poll_cq(&rig.w->g[side].cq, 1, &wc))
			return wc;
		step();
	}
	fail_msg("no completion came at side %u", side);
	return wc;
}

void rig_expect(u32 side, u64 wr_id, u8 status)
{
	struct client_wc wc = rig_wc(side);

	if (wc.status != status || wc.wr_id != wr_id)
		fail_msg("side %u: wr_id 0x%llx status 0x%x, expected 0x%llx, 0x%x", side,
			 (unsigned long long)wc.wr_id, wc.status, (unsigned long long)wr_id,
			 status);
}

void rig_quiet(u64 ns)
{
	rig_run(ns);
	assert_null(client_peek_cq(&rig.w->g[0].cq));
	assert_null(client_peek_cq(&rig.w->g[1].cq));
}

void rig_packet(struct pair *p, u32 side, u8 opcode, u32 psn, struct wire_packet *packet)
{
	memset(packet, 0, sizeof(*packet));
	packet->l3 = WIRE_V2_IPV6;
	memcpy(packet->dmac, p->g[side]->vmm->inst->id.mac, 6);
	memcpy(packet->smac, p->g[!side]->vmm->inst->id.mac, 6);
	roce_gid(side + 1, packet->dgid);
	roce_gid(!side + 1, packet->sgid);
	packet->hop_limit = 64;
	packet->sport = 0xc000;
	packet->opcode = opcode;
	packet->pkey = WIRE_PKEY;
	packet->dest_qpn = p->qp[side].qpn;
	packet->psn = psn;
	packet->ack_req = true;
}

void rig_inject(u32 side, struct wire_packet *packet, const void *payload)
{
	u8 frame[WIRE_HEAD_MAX + 4200] = { 0 };
	u32 head, bytes = packet->payload + wire_pad(packet->payload), crc;

	head = wire_build(packet, frame);
	assert_true(head > 0);
	if (packet->payload)
		memcpy(frame + head, payload, packet->payload);
	crc = wire_icrc_head(packet, frame, head);
	wire_icrc_put(wire_icrc_more(crc, frame + head, bytes), frame + head + bytes);
	host_port_send(&rig.host[side], frame, head + bytes + WIRE_ICRC_BYTES);
	settle(rig.w);
}
