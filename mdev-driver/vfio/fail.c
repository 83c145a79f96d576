// SPDX-License-Identifier: GPL-2.0-only
/*
 * The debug parameter fail_nth: the n-th allocation or pin from now on fails, in
 * whatever the modules do then. Read back, it says how many are still to succeed
 * before; 0: none is to fail, or one has failed.
 */
#include <linux/atomic.h>
#include <linux/module.h>

#include <mhca/kernel.h>

static atomic_t mhca_fail_left = ATOMIC_INIT(0);

static int mhca_fail_set(const char *text, const struct kernel_param *kp)
{
	int n;
	int err = kstrtoint(text, 0, &n);

	if (err)
		return err;
	if (n < 0)
		return -ERANGE;
	atomic_set(&mhca_fail_left, n);
	return 0;
}

static int mhca_fail_get(char *text, const struct kernel_param *kp)
{
	return sysfs_emit(text, "%d\n", atomic_read(&mhca_fail_left));
}

static const struct kernel_param_ops mhca_fail_ops = {
	.set = mhca_fail_set,
	.get = mhca_fail_get,
};

module_param_cb(fail_nth, &mhca_fail_ops, NULL, 0600);
MODULE_PARM_DESC(fail_nth, "debugging: this allocation or pin from now on fails, 0: none (0)");

/**
 * mhca_fail_now() - is it this allocation's or pin's turn to fail?
 *
 * Any context. Return: true: behave as if there were no memory.
 */
bool mhca_fail_now(void)
{
	return unlikely(atomic_read(&mhca_fail_left)) &&
	       !atomic_dec_if_positive(&mhca_fail_left);
}
EXPORT_SYMBOL_GPL(mhca_fail_now);
