// SPDX-License-Identifier: GPL-2.0-only
/*
 * How fast this host's kernel copies memory with one thread: the bound of what
 * a software HCA can move. It copies the same two buffers again and again, as perftest
 * does. Loading the module measures and prints MiB/s in
 * /sys/module/mhca_memcpy/parameters/result; it is meant to be unloaded again.
 */
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#define MOST	(8UL << 20)

static ulong size = 65536;
module_param(size, ulong, 0444);
MODULE_PARM_DESC(size, "bytes of one memcpy()");

static ulong mib = 256;
module_param(mib, ulong, 0444);
MODULE_PARM_DESC(mib, "MiB to copy");

static ulong result;
module_param(result, ulong, 0444);
MODULE_PARM_DESC(result, "MiB/s (read only)");

static int __init mhca_memcpy_init(void)
{
	u64 total = (u64)mib << 20, done, start;
	u8 *from, *to;

	if (!size || size > MOST || !mib)
		return -EINVAL;
	from = vzalloc(size);
	to = vzalloc(size);
	if (!from || !to) {
		vfree(from);
		vfree(to);
		return -ENOMEM;
	}
	start = ktime_get_ns();
	for (done = 0; done < total; done += size) {
		memcpy(to, from, size);
		barrier_data(to);
		cond_resched();
	}
	/* At least a microsecond has gone by: no division by zero. */
	start = ktime_get_ns() - start + 1000;
	result = div64_u64((done >> 20) * NSEC_PER_SEC, start);
	vfree(from);
	vfree(to);
	return 0;
}
module_init(mhca_memcpy_init);

static void __exit mhca_memcpy_exit(void)
{
}
module_exit(mhca_memcpy_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("memcpy bandwidth of the host kernel");
