// SPDX-License-Identifier: GPL-2.0-only
/*
 * mhcactl check: is this host ready? A table of questions; each answer that is
 * not good says how to mend it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "output.h"

#define KERNEL_MAJOR	6
#define KERNEL_MINOR	1
/* Less than this is what distributions give by default; RDMA needs more. */
#define MEMLOCK_LITTLE	(1ULL << 30)

enum status { STATUS_OK, STATUS_WARN, STATUS_FAIL };

static const char *const status_names[] = {
	[STATUS_OK] = "ok", [STATUS_WARN] = "warn", [STATUS_FAIL] = "fail",
};

/**
 * struct answer - to one question
 * @status: how it stands
 * @detail: what was seen; to be freed
 * @mend: what to do, NULL: nothing
 */
struct answer {
	enum status status;
	char *detail;
	const char *mend;
};

/**
 * struct question - a row of the table
 * @id: stable name
 * @ask: looks
 */
struct question {
	const char *id;
	struct answer (*ask)(const struct ctl *ctl);
};

static struct answer good(char *detail)
{
	return (struct answer){ STATUS_OK, detail, NULL };
}

static struct answer bad(enum status status, char *detail, const char *mend)
{
	return (struct answer){ status, detail, mend };
}

/* ---- Kernel --------------------------------------------------------------------- */

static char *kernel_release(const struct ctl *ctl)
{
	char *release = sys_read(ctl, "/proc/sys/kernel/osrelease");

	return release ? release : ctl_strdup("unknown");
}

static struct answer ask_kernel(const struct ctl *ctl)
{
	char *release = kernel_release(ctl);
	int major = 0, minor = 0;

	if (sscanf(release, "%d.%d", &major, &minor) == 2 &&
	    (major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR)))
		return good(release);
	return bad(STATUS_FAIL, release, "mHCA needs Linux 6.1 or newer");
}

/* The kernel's configuration as text, NULL when it is nowhere. */
static char *kernel_config(const struct ctl *ctl)
{
	char *release = kernel_release(ctl);
	char *config = sys_read(ctl, "/boot/config-%s", release);

	if (!config)
		config = sys_read(ctl, "/lib/modules/%s/config", release);
	if (!config)
		config = sys_read(ctl, "/lib/modules/%s/build/.config", release);
	free(release);
	return config;
}

static bool config_has(const char *config, const char *option)
{
	char *line = ctl_format("\n%s=", option);
	const char *at = strstr(config, line);
	bool set = !strncmp(config, line + 1, strlen(line) - 1);

	if (at)
		set = at[strlen(line)] == 'y' || at[strlen(line)] == 'm';
	free(line);
	return set;
}

static struct answer ask_config(const struct ctl *ctl)
{
	static const char *const needed[] = {
		"CONFIG_VFIO", "CONFIG_VFIO_MDEV", "CONFIG_MLX5_CORE", "CONFIG_MODULES",
		"CONFIG_EVENTFD",
	};
	char *config = kernel_config(ctl);
	char *missing = NULL;

	if (!config)
		return bad(STATUS_WARN, ctl_strdup("the kernel's configuration is not readable"),
			   "check by hand that CONFIG_VFIO_MDEV is set");
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		char *longer;

		if (config_has(config, needed[i]))
			continue;
		longer = ctl_format("%s%s%s", missing ? missing : "not set: ",
				    missing ? ", " : "", needed[i]);
		free(missing);
		missing = longer;
	}
	free(config);
	if (missing)
		return bad(STATUS_FAIL, missing,
			   "use a kernel with these options; Debian's amd64 kernels have them");
	return good(ctl_strdup("VFIO and mediated devices are configured"));
}

static bool module_here(const struct ctl *ctl, const char *name)
{
	return sys_exists(ctl, "/sys/module/%s", name);
}

static struct answer ask_modules(const struct ctl *ctl)
{
	if (!module_here(ctl, "mhca"))
		return bad(STATUS_FAIL, ctl_strdup("mhca is not loaded"),
			   "modprobe mhca_soft; if there is no such module: make && make install, "
			   "or the package mhca-dkms");
	if (!module_here(ctl, "mhca_soft") && !module_here(ctl, "mhca_mlx5"))
		return bad(STATUS_FAIL, ctl_strdup("mhca is loaded, no backend is"),
			   "modprobe mhca_soft");
	return good(ctl_format("mhca and %s are loaded",
			       module_here(ctl, "mhca_soft") ? "mhca_soft" : "mhca_mlx5"));
}

/* A VMM pins through the type1 container or through iommufd. */
static struct answer ask_vfio(const struct ctl *ctl)
{
	if (module_here(ctl, "vfio_iommu_type1") || module_here(ctl, "iommufd"))
		return good(ctl_format("%s is loaded", module_here(ctl, "vfio_iommu_type1") ?
				       "vfio_iommu_type1" : "iommufd"));
	return bad(STATUS_FAIL, ctl_strdup("neither vfio_iommu_type1 nor iommufd is loaded"),
		   "modprobe vfio_iommu_type1, and name it in /etc/modules-load.d/mhca.conf");
}

static struct answer ask_signature(const struct ctl *ctl)
{
	char *enforce = sys_read(ctl, "/sys/module/module/parameters/sig_enforce");
	char *lockdown = sys_read(ctl, "/sys/kernel/security/lockdown");
	bool locked = (enforce && !strcmp(enforce, "Y")) ||
		      (lockdown && !strstr(lockdown, "[none]"));

	free(enforce);
	free(lockdown);
	if (locked && !module_here(ctl, "mhca"))
		return bad(STATUS_WARN, ctl_strdup("this kernel loads signed modules only"),
			   "enrol the key that DKMS signs with: mokutil --import "
			   "/var/lib/dkms/mok.pub, then reboot");
	return good(ctl_strdup(locked ? "signed modules only; mhca is loaded" :
				       "modules need no signature"));
}

static struct answer ask_iommu(const struct ctl *ctl)
{
	struct names units;
	bool on = !sys_list(ctl, &units, "/sys/class/iommu") && units.count;

	names_free(&units);
	return good(ctl_strdup(on ? "an IOMMU is on; mHCA does not need it" :
				    "no IOMMU, and none is needed"));
}

/* ---- HCA ------------------------------------------------------------------------- */

static struct answer ask_hca(const struct ctl *ctl)
{
	struct answer answer;
	struct host host;
	int64_t available = 0;

	host_load_any(ctl, &host, 0);
	for (size_t i = 0; i < host.n_types; i++)
		if (host.types[i].available > available)
			available = host.types[i].available;
	if (!host.parents.count)
		answer = bad(STATUS_FAIL, ctl_strdup("no HCA"),
			     "modprobe mhca_soft; dmesg tells why when it has none");
	else if (!available)
		answer = bad(STATUS_WARN, ctl_format("%zu HCA, full", host.parents.count),
			     "remove an instance, or raise max_instances of mhca_soft");
	else
		answer = good(ctl_format("%zu HCA, room for %" PRId64 " instances",
					 host.parents.count, available));
	host_free(&host);
	return answer;
}

/* ---- The VMM ------------------------------------------------------------------------ */

static bool accessible(const struct ctl *ctl, const char *path)
{
	char *full = sys_path(ctl, "%s", path);
	bool ok = !access(full, R_OK | W_OK);

	free(full);
	return ok;
}

static struct answer ask_kvm(const struct ctl *ctl)
{
	if (!sys_exists(ctl, "/dev/kvm"))
		return bad(STATUS_FAIL, ctl_strdup("no /dev/kvm"),
			   "modprobe kvm_intel or kvm_amd; enable virtualization in the firmware; "
			   "in a virtual machine enable nesting");
	if (!accessible(ctl, "/dev/kvm"))
		return bad(STATUS_WARN, ctl_strdup("/dev/kvm may not be opened by this user"),
			   "adduser USER kvm");
	return good(ctl_strdup("/dev/kvm can be opened"));
}

static struct answer ask_container(const struct ctl *ctl)
{
	if (!sys_exists(ctl, "/dev/vfio/vfio") && !sys_exists(ctl, "/dev/iommu"))
		return bad(STATUS_FAIL, ctl_strdup("neither /dev/vfio/vfio nor /dev/iommu"),
			   "modprobe vfio");
	if (!accessible(ctl, "/dev/vfio/vfio") && !accessible(ctl, "/dev/iommu"))
		return bad(STATUS_WARN, ctl_strdup("/dev/vfio/vfio may not be opened by this user"),
			   "udev's default is mode 0666: look for a rule that changes it");
	return good(ctl_strdup("VFIO can be opened"));
}

static struct answer ask_udev(const struct ctl *ctl)
{
	static const char rule[] = "rules.d/70-mhca.rules";

	if (sys_exists(ctl, "/usr/lib/udev/%s", rule) || sys_exists(ctl, "/lib/udev/%s", rule) ||
	    sys_exists(ctl, "/etc/udev/%s", rule))
		return good(ctl_strdup("group kvm may open instances"));
	return bad(STATUS_WARN, ctl_strdup("only root may open instances"),
		   "install 70-mhca.rules to /etc/udev/rules.d (libvirt does not need it)");
}

/* The limit of this process, in the file that lists it. false: unlimited. */
static bool memlock_limit(const struct ctl *ctl, uint64_t *bytes)
{
	char *limits = sys_read(ctl, "/proc/self/limits");
	const char *line = limits ? strstr(limits, "Max locked memory") : NULL;
	bool limited = line && sscanf(line, "Max locked memory %" SCNu64, bytes) == 1;

	free(limits);
	return limited;
}

static bool may_lock_all(const struct ctl *ctl)
{
	char *status = sys_read(ctl, "/proc/self/status");
	const char *line = status ? strstr(status, "CapEff:") : NULL;
	unsigned long long caps = line ? strtoull(line + strlen("CapEff:"), NULL, 16) : 0;

	free(status);
	return caps >> 14 & 1;		/* CAP_IPC_LOCK */
}

static struct answer ask_memlock(const struct ctl *ctl)
{
	char size[FORMAT_MAX];
	uint64_t bytes = 0;

	if (!memlock_limit(ctl, &bytes))
		return good(ctl_strdup("locked memory is not limited"));
	format_number(size, sizeof(size), FORMAT_BYTES, (double)bytes);
	if (may_lock_all(ctl))
		return good(ctl_format("limit %s, not for this user (CAP_IPC_LOCK)", size));
	if (bytes >= MEMLOCK_LITTLE)
		return good(ctl_format("limit %s per user", size));
	return bad(STATUS_WARN, ctl_format("this user may lock %s: a guest that registers more "
					   "gets ENOMEM", size),
		   "at least what the guests register, at most their RAM: 'memlock' in "
		   "/etc/security/limits.d/mhca.conf, LimitMEMLOCK= in a unit");
}

/* ---- Surroundings ----------------------------------------------------------------------- */

static struct answer ask_mdevctl(const struct ctl *ctl)
{
	static const char *const callouts[] = {
		"/usr/lib/mdevctl/scripts.d/callouts/mhca.sh",
		"/etc/mdevctl.d/scripts.d/callouts/mhca.sh",
	};

	if (!sys_exists(ctl, "/usr/sbin/mdevctl") && !sys_exists(ctl, "/usr/bin/mdevctl"))
		return bad(STATUS_WARN, ctl_strdup("mdevctl is not installed: instances do not "
						   "survive a reboot"),
			   "apt install mdevctl");
	for (size_t i = 0; i < sizeof(callouts) / sizeof(*callouts); i++)
		if (sys_exists(ctl, "%s", callouts[i]))
			return good(ctl_strdup("mdevctl and the call-out are installed"));
	return bad(STATUS_WARN, ctl_strdup("mdevctl is installed without mHCA's call-out"),
		   "install mhca.sh to /etc/mdevctl.d/scripts.d/callouts");
}

static struct answer ask_tracing(const struct ctl *ctl)
{
	if (sys_exists(ctl, "/sys/kernel/tracing/events/mhca") ||
	    sys_exists(ctl, "/sys/kernel/debug/tracing/events/mhca"))
		return good(ctl_strdup("tracepoints are there"));
	return bad(STATUS_WARN, ctl_strdup("no tracepoints for this user ('mhcactl trace')"),
		   "run as root; mount -t tracefs nodev /sys/kernel/tracing");
}

/* ---- The table ---------------------------------------------------------------------------- */

static const struct question questions[] = {
	{ "kernel", ask_kernel },
	{ "config", ask_config },
	{ "signature", ask_signature },
	{ "modules", ask_modules },
	{ "hca", ask_hca },
	{ "iommu", ask_iommu },
	{ "vfio", ask_vfio },
	{ "container", ask_container },
	{ "kvm", ask_kvm },
	{ "memlock", ask_memlock },
	{ "udev", ask_udev },
	{ "mdevctl", ask_mdevctl },
	{ "tracing", ask_tracing },
};

#define N_QUESTIONS	(sizeof(questions) / sizeof(*questions))

static void print_answer(FILE *out, const struct question *question,
			 const struct answer *answer)
{
	fprintf(out, "%-4s  %-10s %s\n", status_names[answer->status], question->id,
		answer->detail);
	if (answer->mend)
		fprintf(out, "      %-10s -> %s\n", "", answer->mend);
}

static json_object *answer_to_json(const struct question *question,
				   const struct answer *answer)
{
	json_object *json = json_object_new_object();

	json_object_object_add(json, "id", json_object_new_string(question->id));
	json_object_object_add(json, "status",
			       json_object_new_string(status_names[answer->status]));
	json_object_object_add(json, "detail", json_object_new_string(answer->detail));
	json_object_object_add(json, "mend", answer->mend ?
			       json_object_new_string(answer->mend) : NULL);
	return json;
}

static int check(const struct ctl *ctl)
{
	json_object *rows = json_object_new_array();
	json_object *document;
	bool ready = true;

	for (size_t i = 0; i < N_QUESTIONS; i++) {
		struct answer answer = questions[i].ask(ctl);

		ready &= answer.status != STATUS_FAIL;
		if (ctl->json)
			json_object_array_add(rows, answer_to_json(&questions[i], &answer));
		else
			print_answer(ctl->out, &questions[i], &answer);
		free(answer.detail);
	}
	if (ctl->json) {
		document = output_document("ready", json_object_new_boolean(ready));
		json_object_object_add(document, "checks", rows);
		output_json(ctl, document, false);
	} else {
		json_object_put(rows);
		fputs(ready ? "This host is ready.\n" : "This host is not ready.\n", ctl->out);
	}
	return ready ? CTL_OK : CTL_NOT_READY;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	static const struct option longs[] = { CTL_LONG };
	int opt, ret;

	opt = ctl_getopt(ctl, argc, argv, CTL_SHORT, longs);
	if (opt != -1)
		return ctl_usage(ctl, opt);
	ret = ctl_arguments(ctl, argc - optind, 0, 0);
	return ret ? ret : check(ctl);
}

const struct verb verb_check = {
	.name = "check",
	.args = "",
	.summary = "Is this host ready? What is missing, and how to mend it",
	.options = "",
	.run = run,
};
