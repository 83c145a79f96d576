// SPDX-License-Identifier: GPL-2.0-only
/*
 * Syndromes: the reasons of refusals, as PRM status and as text.
 */
#include <mhca/prm.h>

static const struct {
	u8 status;
	const char *text;
} mhca_syndromes[MHCA_SYNDROME_COUNT] = {
#define MHCA_SYNDROME_ROW(name, stat, words)			\
	[MHCA_SYN_##name] = {					\
		.status = MLX5_CMD_STAT_##stat,			\
		.text = words,					\
	},
	MHCA_SYNDROMES(MHCA_SYNDROME_ROW)
#undef MHCA_SYNDROME_ROW
};

/**
 * mhca_syndrome_status() - PRM command status of a syndrome
 * @syndrome: syndrome
 *
 * Return: MLX5_CMD_STAT_*.
 */
u8 mhca_syndrome_status(enum mhca_syndrome syndrome)
{
	if (syndrome >= MHCA_SYNDROME_COUNT)
		return MLX5_CMD_STAT_INT_ERR;
	return mhca_syndromes[syndrome].status;
}

/**
 * mhca_syndrome_text() - what a syndrome means
 * @syndrome: syndrome
 *
 * Return: a short English phrase.
 */
const char *mhca_syndrome_text(enum mhca_syndrome syndrome)
{
	if (syndrome >= MHCA_SYNDROME_COUNT)
		return "unknown syndrome";
	return mhca_syndromes[syndrome].text;
}

/**
 * mhca_syndrome_from_errno() - why memory could not be pinned
 * @error: -errno of &struct mhca_vmm_ops.pin or of an allocation
 *
 * Return: syndrome; MHCA_SYN_NONE for 0.
 */
enum mhca_syndrome mhca_syndrome_from_errno(int error)
{
	switch (error) {
	case 0:
		return MHCA_SYN_NONE;
	case -ENOMEM:
		return MHCA_SYN_NO_MEMORY;
	case -EDQUOT:
		return MHCA_SYN_MEMLOCK;
	case -EBUSY:
		return MHCA_SYN_QUOTA;
	case -EPERM:
		return MHCA_SYN_READ_ONLY;
	case -EFAULT:
	case -EOPNOTSUPP:
		return MHCA_SYN_UNPINNABLE;
	default:
		return MHCA_SYN_PIN;
	}
}
EXPORT_SYMBOL_GPL(mhca_syndrome_from_errno);
