// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * mhca-pingpong and mhca-perf, both ends in this process, over the core in user space:
 * instances are called "0" and "1".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <shim/control.h>
#include "vmm_user.h"
#include "provider.h"
#include "examples/common.h"

#define MAX_ARGS	24

static struct soft_hca hca;
static struct vmm_user *vmms[2];
static int next_port = 23400;

struct ibv_context *__wrap_mhca_open(const char *name);
int __wrap_mhca_close(struct ibv_context *context);
int __real_mhca_close(struct ibv_context *context);

struct ibv_context *__wrap_mhca_open(const char *name)
{
	const struct vmm_user_params params = { .threaded = true, .memory = 64UL << 20 };
	u32 i = (u32)(name[0] - '0');

	vmms[i] = vmm_user_create(&hca, &params, 0x0200000000000100ULL * (i + 1));
	return vmms[i] ? mhca_open_backend(name, &vmm_user_client_ops, vmms[i]) : NULL;
}

int __wrap_mhca_close(struct ibv_context *context)
{
	u32 i = (u32)(context->device->name[0] - '0');
	int ret = __real_mhca_close(context);

	vmm_user_destroy(vmms[i]);
	return ret;
}

struct end {
	int (*run)(int argc, char **argv);
	char text[256];
	char *argv[MAX_ARGS];
	int argc;
	int ret;
	pthread_t thread;
};

static void *run_end(void *arg)
{
	struct end *e = arg;

	e->ret = e->run(e->argc, e->argv);
	return NULL;
}

static void start(struct end *e, int (*run)(int argc, char **argv), const char *args, u32 i,
		  const char *host)
{
	char *word;

	e->run = run;
	e->argc = 0;
	snprintf(e->text, sizeof(e->text), "program %s -p %d %u %s", args, next_port, i, host);
	for (word = strtok(e->text, " "); word; word = strtok(NULL, " "))
		e->argv[e->argc++] = word;
	e->argv[e->argc] = NULL;
	assert_int_equal(pthread_create(&e->thread, NULL, run_end, e), 0);
}

static void both(int (*run)(int argc, char **argv), const char *args)
{
	struct end server, client;

	next_port++;
	start(&server, run, args, 0, "");
	start(&client, run, args, 1, "127.0.0.1");
	pthread_join(client.thread, NULL);
	pthread_join(server.thread, NULL);
	if (client.ret || server.ret)
		fail_msg("%s: client %d, server %d", args, client.ret, server.ret);
}

static void test_pingpong(void **state)
{
	static const char *const args[] = {
		"-t rc -n 100 -c", "-t uc -n 100 -c -s 9000 -m 4096", "-t ud -n 100 -c",
		"-t rc -n 100 -e -c -r 5", "-t ud -n 100 -e -s 2048",
	};
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(args); i++)
		both(pingpong_main, args[i]);
}

static void test_perf(void **state)
{
	static const char *const args[] = {
		"write_bw -s 1000000 -n 1000", "write_bw --verify -s 65536 -n 200", "write_bw --verify -a -n 5",
		"write_bw -c uc -s 8 -n 1000 -q 8 --json", "read_bw --verify -s 30000 -n 100 -q 3",
		"send_bw --verify -s 5000 -n 300 -q 2", "send_bw --verify -a -n 4 -t 8",
		"atomic_bw --verify -n 500 -q 4", "write_lat --verify -n 100",
		"write_lat -a -n 3 --json", "read_lat --verify -n 200 -s 4000",
		"send_lat --verify -n 200 -s 100", "atomic_lat --verify -n 200",
	};
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(args); i++)
		both(perf_main, args[i]);
}

static void test_command_lines(void **state)
{
	static const char *const bad[] = {
		"write_bw", "no_bw 0", "read_bw -c uc 0", "write_bw -q 0 0", "write_bw -s 9000000 0",
	};
	char text[64];
	char *argv[8];
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		int argc = 1;
		char *word;

		snprintf(text, sizeof(text), "%s", bad[i]);
		argv[0] = (char *)"mhca-perf";
		for (word = strtok(text, " "); word; word = strtok(NULL, " "))
			argv[argc++] = word;
		argv[argc] = NULL;
		assert_int_equal(perf_main(argc, argv), 1);
	}
}

static int setup(void **state)
{
	static const struct soft_lane_params params = {
		.idle_us = 1000, .idle_polls = 100, .wqe_budget = 16, .byte_budget = 65536,
		.qp_polls = 8, .sweep = 8, .error_poll_ms = 1,
	};

	(void)state;
	assert_int_equal(soft_hca_init(&hca, 1, &params), 0);
	return lanes_start(&hca);
}

static int teardown(void **state)
{
	(void)state;
	lanes_stop(&hca);
	soft_hca_fini(&hca);
	shim_quiesce();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pingpong),
		cmocka_unit_test(test_perf),
		cmocka_unit_test(test_command_lines),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
