// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is spoiled, and what must not change: see spoil.h. */
#include "spoil.h"

/* State that a refused command must not change. */
struct snapshot {
	u32 count[MHCA_OBJECT_KINDS];
	s64 pinned;
	u64 refused;
	enum mhca_function_state fn;
};

static struct snapshot snapshot(struct guest *g)
{
	struct mhca_instance *inst = g->vmm->inst;
	struct snapshot s = {
		.pinned = g->vmm->pinned, .refused = counter(g, commands_refused),
		.fn = inst->fn,
	};

	memcpy(s.count, inst->object_count, sizeof(s.count));
	return s;
}

/* Execute a spoiled command; it must fail with @syndrome (0: any of ours). */
static void refuse(struct client *c, const struct mhca_command *row, const char *how,
		   const void *in, u32 inlen, u32 outlen, enum mhca_syndrome syndrome)
{
	struct walk *walk = c->data;
	struct snapshot before = snapshot(walk->g);
	struct snapshot after;
	u32 got;

	memset(walk->out, 0xee, outlen);
	if (!client_exec(c, in, inlen, walk->out, outlen))
		fail_msg("%s: accepted %s", row->name, how);
	got = c->syndrome - MHCA_SYNDROME_BASE;
	if (got >= MHCA_SYNDROME_COUNT || c->status != mhca_syndrome_status(got))
		fail_msg("%s, %s: status 0x%x syndrome 0x%x is not documented", row->name, how,
			 c->status, c->syndrome);
	if (syndrome && got != syndrome)
		fail_msg("%s, %s: syndrome '%s', expected '%s'", row->name, how,
			 mhca_syndrome_text(got), mhca_syndrome_text(syndrome));
	after = snapshot(walk->g);
	assert_int_equal(after.refused, before.refused + 1);
	after.refused = before.refused;
	if (memcmp(&after, &before, sizeof(before)))
		fail_msg("%s, %s: refused, but something changed", row->name, how);
	walk->spoiled++;
}

void put(void *in, struct mhca_field field, u64 value)
{
	__be32 *word = (__be32 *)in + field.offset / 32;
	u32 shift;
	u32 mask;

	if (field.bits == 64) {
		word[0] = cpu_to_be32(value >> 32);
		word[1] = cpu_to_be32((u32)value);
		return;
	}
	shift = 32 - field.bits - field.offset % 32;
	mask = (field.bits == 32 ? ~0U : (1U << field.bits) - 1) << shift;
	*word = cpu_to_be32((be32_to_cpu(*word) & ~mask) | ((u32)value << shift & mask));
}

static void *fresh(struct walk *walk, const void *in, u32 inlen)
{
	return memcpy(walk->in, in, inlen);
}

/* ---- What is spoiled ------------------------------------------------- */

static void spoil_lengths(struct client *c, const struct mhca_command *row, const void *in,
			  u32 inlen, u32 outlen)
{
	struct walk *walk = c->data;
	u32 max = row->in_max ? row->in_max : row->in_min;

	if (row->in_min > 16) {
		refuse(c, row, "input one word short", in, row->in_min - 4, outlen,
		       MHCA_SYN_IN_LENGTH);
		refuse(c, row, "input of 16 bytes", in, 16, outlen, MHCA_SYN_IN_LENGTH);
	}
	memset(walk->in, 0, inlen + 4096);
	fresh(walk, in, inlen);
	if (max < 65536)
		refuse(c, row, "input longer than any", walk->in, max + 4, outlen, 0);
	else
		refuse(c, row, "page list longer than its buffer", walk->in, inlen + 4096,
		       outlen, 0);
	if (row->out_min > 16)
		refuse(c, row, "output one word short", in, inlen, row->out_min - 4,
		       MHCA_SYN_OUT_LENGTH);
	refuse(c, row, "output longer than any", in, inlen, MHCA_CMD_OUT_MAX + 4,
	       MHCA_SYN_OUT_LENGTH);
}

static void spoil_header(struct client *c, const struct mhca_command *row, const void *in,
			 u32 inlen, u32 outlen)
{
	struct mhca_instance *inst = ((struct walk *)c->data)->g->vmm->inst;
	static const struct mhca_field uid = MHCA_FIELD(create_cq_in, uid);
	static const struct mhca_field op_mod = MHCA_FIELD(create_cq_in, op_mod);
	struct walk *walk = c->data;
	enum mhca_function_state fn = inst->fn;
	u32 state;

	put(fresh(walk, in, inlen), uid, 1);
	refuse(c, row, "a uid", walk->in, inlen, outlen, MHCA_SYN_UID);
	if (row->op_mod_max < U16_MAX) {
		put(fresh(walk, in, inlen), op_mod, row->op_mod_max + 1);
		refuse(c, row, "an op_mod", walk->in, inlen, outlen, MHCA_SYN_OP_MOD);
	}
	for (state = MHCA_FN_RESET; state <= MHCA_FN_INITIALISED; state++) {
		if (row->states & BIT(state))
			continue;
		inst->fn = state;
		refuse(c, row, "in the wrong state", in, inlen, outlen, MHCA_SYN_SYS_STATE);
		inst->fn = fn;
	}
}

/* A number that this instance does not have: never had, had once, another one's. */
static void spoil_number(struct client *c, const struct mhca_command *row, const char *what,
			 struct mhca_field field, enum mhca_object_kind kind, const void *in,
			 u32 inlen, u32 outlen)
{
	struct walk *walk = c->data;
	struct mhca_instance *inst = walk->g->vmm->inst;
	char how[80];
	u32 i;

	snprintf(how, sizeof(how), "unknown %s", what);
	put(fresh(walk, in, inlen), field, (1ULL << min(field.bits, 24)) - 2);
	refuse(c, row, how, walk->in, inlen, outlen, MHCA_SYN_NO_OBJECT);
	for (i = 0; i < walk->n_stale[kind]; i++) {
		if (mhca_object_find(inst, kind, walk->stale[kind][i]))
			continue;
		snprintf(how, sizeof(how), "stale or foreign %s %u", what, walk->stale[kind][i]);
		put(fresh(walk, in, inlen), field, walk->stale[kind][i]);
		refuse(c, row, how, walk->in, inlen, outlen, MHCA_SYN_NO_OBJECT);
	}
}

bool names_target(const struct mhca_command *row)
{
	return row->action == MHCA_ACT_MODIFY || row->action == MHCA_ACT_QUERY ||
	       row->action == MHCA_ACT_DESTROY;
}

static void spoil_objects(struct client *c, const struct mhca_command *row, const void *in,
			  u32 inlen, u32 outlen)
{
	struct mhca_cmd cmd = {
		.inst = ((struct walk *)c->data)->g->vmm->inst, .row = row,
		.opcode = row->opcode, .in = in, .inlen = inlen,
	};
	u32 i;

	if (names_target(row))
		spoil_number(c, row, mhca_object_name(row->kind), row->number, row->kind, in,
			     inlen, outlen);
	for (i = 0; i < row->n_refs; i++) {
		const struct mhca_ref_row *ref = &row->refs[i];
		char what[40];

		if (ref->when && !ref->when(&cmd))
			continue;
		snprintf(what, sizeof(what), "reference %u to a %s", i,
			 mhca_object_name(ref->kind));
		spoil_number(c, row, what, ref->field, ref->kind, in, inlen, outlen);
	}
}

static void spoil_quota(struct client *c, const struct mhca_command *row, const void *in,
			u32 inlen, u32 outlen)
{
	struct mhca_instance *inst = ((struct walk *)c->data)->g->vmm->inst;
	u32 max;

	if (row->action != MHCA_ACT_CREATE || !inst->object_count[row->kind])
		return;
	max = inst->quota.max[row->kind];
	inst->quota.max[row->kind] = inst->object_count[row->kind];
	refuse(c, row, "beyond the quota", in, inlen, outlen, MHCA_SYN_QUOTA);
	inst->quota.max[row->kind] = max;
}

static void spoil_memory(struct client *c, const struct mhca_command *row, const void *in,
			 u32 inlen, u32 outlen)
{
	struct walk *walk = c->data;
	struct vmm_user *vmm = walk->g->vmm;
	const struct mhca_page_row *pages = row->pages;
	struct mhca_cmd cmd = {
		.inst = vmm->inst, .row = row, .opcode = row->opcode, .in = in, .inlen = inlen,
		.op_mod = MLX5_GET(create_cq_in, in, op_mod),
	};
	u64 hole = VMM_USER_IOVA + vmm->pages / 2 * PAGE_SIZE;
	u32 n = pages ? (inlen - pages->pas) / 8 : 0;
	u64 limit;
	u32 i;

	if (!n || (pages->when && !pages->when(&cmd)) || !pages->bytes(&cmd))
		return;
	for (i = 0; i + pages->spare < n || i == 0; i += max(n / 3, 1U)) {
		fresh(walk, in, inlen);
		put_unaligned_be64(hole, walk->in + pages->pas + i * 8);
		refuse(c, row, "a page in a hole", walk->in, inlen, outlen, MHCA_SYN_PIN);
	}
	refuse(c, row, "a list that is too short", in, inlen - 8 * (1 + pages->spare), outlen, 0);
	put(fresh(walk, in, inlen), pages->log_page_size, 31);
	refuse(c, row, "enormous pages", walk->in, inlen, outlen, 0);
	if (pages->record.bits) {
		u64 record = mhca_field_get(in, pages->record);

		put(fresh(walk, in, inlen), pages->record, record | 4);
		refuse(c, row, "a record that is not aligned", walk->in, inlen, outlen,
		       MHCA_SYN_ALIGNMENT);
		put(fresh(walk, in, inlen), pages->record, hole);
		refuse(c, row, "a record in a hole", walk->in, inlen, outlen, MHCA_SYN_PIN);
	}
	vmm->pin_limit = vmm->pinned;
	refuse(c, row, "beyond RLIMIT_MEMLOCK", in, inlen, outlen, MHCA_SYN_MEMLOCK);
	vmm->pin_limit = S64_MAX;
	limit = vmm->inst->gmem.limit;
	vmm->inst->gmem.limit = vmm->pinned;
	refuse(c, row, "beyond the limit of pinned memory", in, inlen, outlen,
	       MHCA_SYN_PINNED_LIMIT);
	vmm->inst->gmem.limit = limit;
	vmm->pin_fail_at = vmm->pin_calls + 1;
	refuse(c, row, "when the first pin fails", in, inlen, outlen, 0);
	vmm->pin_fail_at = 0;
}

static void remember(struct walk *walk, const struct mhca_command *row, const void *in)
{
	u32 *n = &walk->n_stale[row->kind];
	u32 num;
	u32 i;

	if (row->action != MHCA_ACT_DESTROY)
		return;
	num = (u32)mhca_field_get(in, row->number);
	for (i = 0; i < *n; i++)
		if (walk->stale[row->kind][i] == num)
			return;
	if (*n < STALE)
		walk->stale[row->kind][(*n)++] = num;
}

void spoil(struct client *c, const void *in, u32 inlen, u32 outlen)
{
	u16 opcode = MLX5_GET(create_cq_in, in, opcode);
	struct walk *walk = c->data;
	const struct mhca_command *row;

	row = mhca_command_find(walk->g->vmm->inst->personality, opcode);
	assert_non_null(row);
	walk->met[row - mhca_commands] = true;
	spoil_lengths(c, row, in, inlen, outlen);
	spoil_header(c, row, in, inlen, outlen);
	spoil_objects(c, row, in, inlen, outlen);
	spoil_quota(c, row, in, inlen, outlen);
	spoil_memory(c, row, in, inlen, outlen);
	remember(walk, row, in);
}

/* The other guest's numbers, as far as they are not this one's as well. */
static void remember_foreign(struct walk *walk, struct guest *other)
{
	u32 kind;

	for (kind = 0; kind < MHCA_OBJECT_KINDS; kind++) {
		struct xarray *xa = &other->vmm->inst->objects[kind];
		unsigned long num;
		void *obj;

		xa_for_each(xa, num, obj)
			if (walk->n_stale[kind] < STALE / 2)
				walk->stale[kind][walk->n_stale[kind]++] = (u32)num;
	}
}

void walk_begin(struct walk *walk, struct guest *g, struct guest *other)
{
	assert_true(mhca_n_commands <= MAX_ROWS);
	walk->g = g;
	walk->in = calloc(1, 65536);
	walk->out = calloc(1, 65536);
	remember_foreign(walk, other);
	g->c.data = walk;
	g->c.before = spoil;
}

void walk_end(struct walk *walk)
{
	walk->g->c.before = NULL;
	free(walk->in);
	free(walk->out);
}

u32 walk_missing(const struct walk *walk, enum mhca_personality personality)
{
	u32 missing = 0;
	u32 i;

	for (i = 0; i < mhca_n_commands; i++) {
		u8 only = mhca_commands[i].personality;

		if (walk->met[i] || (only ? !(only & BIT(personality)) : personality != MHCA_IB))
			continue;
		print_message("no test datum for %s\n", mhca_commands[i].name);
		missing++;
	}
	print_message("           %u rows, %u spoiled commands\n", mhca_n_commands, walk->spoiled);
	return missing;
}
