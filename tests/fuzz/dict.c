// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Prints a libFuzzer dictionary: what the command table and the PRM give meaning to. */
#include <mhca/kernel.h>
#include "command.h"

static void word(const char *name, u64 value, u32 bytes)
{
	u32 i;

	printf("%s=\"", name);
	for (i = bytes; i--;)
		printf("\\x%02x", (u8)(value >> 8 * i));
	printf("\"\n");
}

/* An object number and its neighbours, as wide as the fields that hold one. */
static void numbers(const char *name, u32 first)
{
	u32 i;

	for (i = 0; i < 3; i++) {
		char label[64];

		snprintf(label, sizeof(label), "%s_%u", name, i);
		word(label, first + i, 3);
	}
}

int main(void)
{
	static const struct {
		const char *name;
		u8 opcode;
	} wqes[] = {
		{ "NOP", MLX5_OPCODE_NOP }, { "SEND_INVAL", MLX5_OPCODE_SEND_INVAL },
		{ "RDMA_WRITE", MLX5_OPCODE_RDMA_WRITE },
		{ "RDMA_WRITE_IMM", MLX5_OPCODE_RDMA_WRITE_IMM },
		{ "SEND", MLX5_OPCODE_SEND }, { "SEND_IMM", MLX5_OPCODE_SEND_IMM },
		{ "RDMA_READ", MLX5_OPCODE_RDMA_READ },
		{ "ATOMIC_CS", MLX5_OPCODE_ATOMIC_CS }, { "ATOMIC_FA", MLX5_OPCODE_ATOMIC_FA },
		{ "UMR", MLX5_OPCODE_UMR },
	};
	static const u8 registers[] = { 0x03, 0x04, 0x08 };
	u32 i;

	printf("# made by fuzz-dict from the command table\n");
	for (i = 0; i < mhca_n_commands; i++) {
		const struct mhca_command *row = &mhca_commands[i];
		char label[80];

		snprintf(label, sizeof(label), "op_%s", row->name);
		word(label, row->opcode, 2);
		snprintf(label, sizeof(label), "len_%s", row->name);
		/* As the record before a command has it: little endian. */
		word(label, (u64)(row->in_min & 0xff) << 8 | row->in_min >> 8, 2);
	}
	for (i = 0; i < ARRAY_SIZE(wqes); i++)
		word(wqes[i].name, wqes[i].opcode, 1);
	for (i = 0; i < ARRAY_SIZE(registers); i++) {
		char label[32];

		snprintf(label, sizeof(label), "reg_50%02x", registers[i]);
		word(label, 0x5000U | registers[i], 2);
	}
	numbers("qpn", MHCA_QPN_FIRST);
	numbers("mkey", MHCA_MKEY_FIRST);
	numbers("other", 0);
	word("none", 0xffffff, 3);
	word("page", 0x100000000ULL, 8);
	word("hole", 0x100200000ULL, 8);
	word("all_ones", ~0ULL, 8);
	word("inline", 0x80000010U, 4);
	return 0;
}
