/* SPDX-License-Identifier: GPL-2.0-only */
/* What mhcad is told to be (config.c). */
#ifndef MHCAD_CONFIG_H
#define MHCAD_CONFIG_H

#include <sched.h>

#include <mhca/kernel.h>
#include <mhca/function.h>

#define MHCAD_PATH_MAX		108	/* of a socket, with its 0 */
#define MHCAD_INSTANCES_MAX	4096U

/**
 * struct mhcad_instance_config - what an instance is to be
 * @uuid: as text
 * @type: row of mhca_types
 * @socket: path
 * @policy: JSON object of policy attributes; "": none
 */
struct mhcad_instance_config {
	char uuid[40];
	const struct mhca_type_desc *type;
	char socket[MHCAD_PATH_MAX];
	char policy[MHCA_CONFIG_MAX];
};

/**
 * struct mhcad_config - all of the configuration
 * @lanes: threads that poll and copy
 * @cpus: list of CPUs for them, "": anywhere
 * @control: path of the control socket, "": none
 * @look_us: most microseconds between looks at the doorbell pages of idle guests
 * @idle_us: quiet microseconds after which a page counts as idle
 * @spin_us: microseconds of polling in vain before a lane pauses
 * @pause_us: what a pause lasts
 * @n_instances: entries of @instances
 * @instances: allocated
 */
struct mhcad_config {
	u32 lanes;
	char cpus[128];
	char control[MHCAD_PATH_MAX];
	u32 look_us;
	u32 idle_us;
	u32 spin_us;
	u32 pause_us;
	u32 n_instances;
	struct mhcad_instance_config *instances;
};

/* config.c */
void mhcad_config_init(struct mhcad_config *config);
void mhcad_config_free(struct mhcad_config *config);
int mhcad_config_file(struct mhcad_config *config, const char *path);
int mhcad_config_instance(struct mhcad_config *config, const char *text);
int mhcad_config_words(struct mhcad_instance_config *conf, const char *text);
int mhcad_config_check(const struct mhcad_config *config);
int mhcad_config_check_instance(const struct mhcad_instance_config *conf);
int mhcad_config_cpus(const char *text, cpu_set_t *set);
int mhcad_uuid_parse(const char *text, u8 uuid[MHCA_UUID_BYTES]);

#endif /* MHCAD_CONFIG_H */
