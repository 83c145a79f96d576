/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sizes and bounds in one place. A value here is a promise: the capability
 * tables (prm/caps.c) are computed from it and the tests walk up to it.
 */
#ifndef MHCA_LIMITS_H
#define MHCA_LIMITS_H

/* Memory: the PRM's and our host's smallest page. UAR pages have this size. */
#define MHCA_PAGE_SHIFT			12
#define MHCA_PAGE_SIZE			(1UL << MHCA_PAGE_SHIFT)
/* mkc.log_page_size has 5 bits in the oldest headers. */
#define MHCA_PAGE_SHIFT_MAX		31

/*
 * BAR0: page 0-2 initialization segment, page 3 MSI-X, UAR pages from 64 KiB.
 * 2 MiB is what firmware reserves behind a PCIe port: a bigger BAR could not be
 * hot-plugged into an ordinary q35 machine.
 */
#define MHCA_BAR_SIZE			(2UL << 20)
#define MHCA_BAR_MSIX_TABLE		0x3000
#define MHCA_BAR_MSIX_PBA		0x3800
#define MHCA_BAR_UAR_START		0x10000
#define MHCA_ISEG_SIZE			0x3000
#define MHCA_UAR_FIRST			(MHCA_BAR_UAR_START >> MHCA_PAGE_SHIFT)
#define MHCA_UAR_END			(MHCA_BAR_SIZE >> MHCA_PAGE_SHIFT)
#define MHCA_MSIX_VECTORS		33

/* Command interface (PRM "command queue"): 32 entries of 64 bytes. */
#define MHCA_CMDQ_LOG_SIZE		5
#define MHCA_CMDQ_LOG_STRIDE		6
#define MHCA_CMDQ_ENTRIES		(1U << MHCA_CMDQ_LOG_SIZE)
/* The longest input: CREATE_MKEY with a page list of MHCA_MAX_MTT entries. */
#define MHCA_MAX_MTT			(1U << 24)
#define MHCA_CMD_IN_MAX			(0x110U + 8U * MHCA_MAX_MTT)
#define MHCA_CMD_OUT_MAX		0x4000U

/* Object numbers are 24 bits wide; 0xffffff means "any" or "none". */
#define MHCA_NUMBER_MAX			0xfffffeU
#define MHCA_QPN_FIRST			0x40
/* A doorbell names a QP or an SQ by number alone: they do not overlap. */
#define MHCA_SQN_FIRST			0x800000
#define MHCA_MKEY_FIRST			0x10

/* Default (and greatest) number of objects of one kind in an instance. */
#define MHCA_LOG_MAX_QP			16
#define MHCA_LOG_MAX_CQ			16
#define MHCA_LOG_MAX_SRQ		14
#define MHCA_LOG_MAX_MKEY		20
#define MHCA_LOG_MAX_PD			15
#define MHCA_LOG_MAX_XRCD		12
#define MHCA_LOG_MAX_TD			12
#define MHCA_LOG_MAX_RQ			12
#define MHCA_LOG_MAX_SQ			12
#define MHCA_LOG_MAX_TIR		12
#define MHCA_LOG_MAX_TIS		12
#define MHCA_LOG_MAX_RQT		10
#define MHCA_LOG_MAX_RQT_SIZE		8	/* RQs in an RQT */
#define MHCA_LOG_MAX_EQ			6
#define MHCA_MAX_EQ			64
#define MHCA_MAX_QCOUNTER		32
#define MHCA_MAX_UAR			(MHCA_UAR_END - MHCA_UAR_FIRST)

/* Queue geometry. */
#define MHCA_LOG_MAX_QP_SZ		15
#define MHCA_LOG_MAX_CQ_SZ		22
#define MHCA_LOG_MAX_SRQ_SZ		15
#define MHCA_LOG_MAX_EQ_SZ		18
#define MHCA_MAX_WQE_SQ			1024	/* bytes; 16 basic blocks of 64 */
#define MHCA_MAX_WQE_RQ			512	/* bytes */
#define MHCA_MAX_RQ_SGE			(MHCA_MAX_WQE_RQ / 16)
#define MHCA_MAX_SQ_DS			63	/* 16-byte segments in a send WQE */
#define MHCA_LOG_MAX_MSG		30
#define MHCA_LOG_MAX_RA			4	/* outstanding READ/atomic */

/* Multicast. */
#define MHCA_LOG_MAX_MCG		13
#define MHCA_MAX_QP_MCG			240

/* Ethernet and RoCE. */
#define MHCA_MTU_MAX			9978	/* greatest IP packet */
#define MHCA_MTU_MIN			68
#define MHCA_MTU_DEFAULT		1500
#define MHCA_LOG_MAX_WQ_SZ		13	/* entries of an SQ (basic blocks) or RQ */
#define MHCA_LOG_MAX_LSO		19	/* bytes of a large send: BIG TCP has 524,280 */
#define MHCA_LOG_MAX_UC			7
#define MHCA_LOG_MAX_MC			9
#define MHCA_LOG_MAX_VLAN		9
#define MHCA_MAX_UC			(1U << MHCA_LOG_MAX_UC)
#define MHCA_MAX_MC			(1U << MHCA_LOG_MAX_MC)
#define MHCA_MAX_VLAN			(1U << MHCA_LOG_MAX_VLAN)
#define MHCA_ROCE_ADDRESSES		64
#define MHCA_ROCE_UDP_PORT		4791

/* Flow steering, by instance. */
#define MHCA_LOG_MAX_FLOW_TABLE		6
#define MHCA_LOG_MAX_FLOW_TABLE_SIZE	16
#define MHCA_MAX_FLOW_LEVEL		64
#define MHCA_MAX_FLOW_GROUP		1024
#define MHCA_MAX_FLOW_ENTRY		8192
#define MHCA_LOG_MAX_FLOW_DEST		3	/* destinations of an entry */
#define MHCA_MAX_FLOW_COUNTER		1024

/* Guest memory held for one instance, in pages of MHCA_PAGE_SIZE. */
#define MHCA_MAX_PINNED_MB		65536U
#define MHCA_MAX_PINNED_PAGES		((u64)MHCA_MAX_PINNED_MB << (20 - MHCA_PAGE_SHIFT))
#define MHCA_PA_CACHE_PAGES		16384	/* pages pinned for PA keys */
#define MHCA_PA_CACHE_UMR		262144	/* … and for keys that UMR fills */

/*
 * UMR: a translation is a page. The greatest table is what a driver's cache of keys may
 * ask for; one registration through it has at most 64 Ki pages.
 */
#define MHCA_LOG_MAX_KEY_XLT		18	/* translations of one key */
#define MHCA_MAX_XLT			(1U << 24)	/* of all keys of an instance */
#define MHCA_LOG_MAX_KLM		13	/* pieces of other keys that one key names */

/* InfiniBand addresses that the host hands out. */
#define MHCA_LID_FIRST			1
#define MHCA_LID_LAST			0xbfff
#define MHCA_PKEY_TABLE			128
#define MHCA_GID_TABLE			8

#endif /* MHCA_LIMITS_H */
