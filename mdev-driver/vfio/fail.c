// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocations and pins that fail on purpose, in whatever the modules do then. Two ways to
 * ask for it:
 *
 *   debugfs mhca/fail/   the kernel's fault injection (probability, interval, times,
 *                        task-filter, …), where it is configured
 *   parameter fail_nth   the n-th one from now on fails, on every kernel: distributions'
 *                        have no fault injection. Read back, it says how many are still to
 *                        succeed before; 0: none is to fail, or one has failed
 *
 * fail_send: the same for the n-th WQE of an Ethernet SQ, which is taken for broken, so that
 * its driver has to recover.
 */
#include <linux/atomic.h>
#include <linux/fault-inject.h>
#include <linux/module.h>

#include "frontend.h"

#include <mhca/kernel.h>

#ifdef CONFIG_FAULT_INJECTION
static DECLARE_FAULT_ATTR(mhca_fault);

static bool mhca_fail_injected(void)
{
	return should_fail(&mhca_fault, 1);
}

/**
 * mhca_fail_debugfs() - files of the kernel's fault injection
 * @root: the driver's directory
 */
void mhca_fail_debugfs(struct dentry *root)
{
	fault_create_debugfs_attr("fail", root, &mhca_fault);
}
#else
static bool mhca_fail_injected(void)
{
	return false;
}

void mhca_fail_debugfs(struct dentry *root)
{
}
#endif

static atomic_t mhca_fail_left = ATOMIC_INIT(0);
static atomic_t mhca_send_left = ATOMIC_INIT(0);

static int mhca_fail_set(const char *text, const struct kernel_param *kp)
{
	int n;
	int err = kstrtoint(text, 0, &n);

	if (err)
		return err;
	if (n < 0)
		return -ERANGE;
	atomic_set(kp->arg, n);
	return 0;
}

static int mhca_fail_get(char *text, const struct kernel_param *kp)
{
	return sysfs_emit(text, "%d\n", atomic_read((atomic_t *)kp->arg));
}

static const struct kernel_param_ops mhca_fail_ops = {
	.set = mhca_fail_set,
	.get = mhca_fail_get,
};

module_param_cb(fail_nth, &mhca_fail_ops, &mhca_fail_left, 0600);
MODULE_PARM_DESC(fail_nth, "debugging: this allocation or pin from now on fails, 0: none (0)");
module_param_cb(fail_send, &mhca_fail_ops, &mhca_send_left, 0600);
MODULE_PARM_DESC(fail_send, "debugging: this Ethernet send WQE from now on fails, 0: none (0)");

static bool mhca_fail_turn(atomic_t *left)
{
	return unlikely(atomic_read(left)) && !atomic_dec_if_positive(left);
}

/**
 * mhca_fail_now() - is it this allocation's or pin's turn to fail?
 *
 * Any context. Return: true: behave as if there were no memory.
 */
bool mhca_fail_now(void)
{
	return mhca_fail_turn(&mhca_fail_left) || mhca_fail_injected();
}
EXPORT_SYMBOL_GPL(mhca_fail_now);

/**
 * mhca_fail_send() - is it this send WQE's turn to fail?
 *
 * Any context. Return: true: take it for broken.
 */
bool mhca_fail_send(void)
{
	return mhca_fail_turn(&mhca_send_left);
}
EXPORT_SYMBOL_GPL(mhca_fail_send);
