// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What mhcad is told: options and files, the control socket; who an instance is. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <shim/control.h>
#include "vfio_user_rig.h"

#define UUID	"11111111-2222-3333-4444-55555555555"

static char said[4096];

static void remember(const char *line, void *arg)
{
	size_t at = strlen(said);

	snprintf(said + at, sizeof(said) - at, "%s", line);
}

static int from_file(struct mhcad_config *config, const char *text)
{
	char path[] = "/tmp/mhcad-config-XXXXXX";
	int fd = mkstemp(path), ret;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	said[0] = 0;
	shim_log_sink(remember, NULL);
	mhcad_config_init(config);
	ret = mhcad_config_file(config, path);
	if (!ret)
		ret = mhcad_config_check(config);
	shim_log_sink(NULL, NULL);
	unlink(path);
	return ret;
}

static void files_are_read(void **state)
{
	struct mhcad_config config;

	assert_ok(from_file(&config,
		"{\"lanes\":3,\"cpus\":\"0,2-3\",\"look_us\":500,\"control\":\"/run/c\",\"instances\":["
		"{\"uuid\":\"" UUID "5\",\"type\":\"roce-small\",\"socket\":\"/run/a\","
		"\"policy\":{\"segment\":5,\"description\":\"a/b\"}},"
		"{\"uuid\":\"" UUID "6\",\"type\":\"ib-large\",\"socket\":\"/run/b\"}]}"));
	assert_int_equal(config.lanes, 3);
	assert_int_equal(config.look_us, 500);
	assert_int_equal(config.pause_us, 20);
	assert_string_equal(config.control, "/run/c");
	assert_int_equal(config.n_instances, 2);
	assert_string_equal(config.instances[0].type->name, "roce-small");
	assert_string_equal(config.instances[0].policy, "{\"segment\":5,\"description\":\"a/b\"}");
	assert_string_equal(config.instances[1].socket, "/run/b");
	mhcad_config_free(&config);
}

#define INSTANCE(more)	"{\"instances\":[{\"uuid\":\"" UUID "5\",\"type\":\"ib-small\","	\
			"\"socket\":\"/run/a\"" more "}]}"

/* Each is refused, and the log says what about it. */
static void files_are_refused(void **state)
{
	static const char * const bad[][2] = {
		{ "", "config" }, { "[]", "no JSON object" }, { "{", "config" },
		{ "{}", "no instance, and no control socket" },
		{ "{\"lanes\":0}", "\"lanes\" is not in 1..64" },
		{ "{\"lanes\":\"1\"}", "\"lanes\" is not in 1..64" },
		{ "{\"look_us\":4294967297}", "look_us" },
		{ "{\"speed\":1}", "no setting \"speed\"" },
		{ "{\"instances\":5}", "no array" },
		{ "{\"instances\":[5]}", "instance 0 is no object" },
		{ INSTANCE(",\"colour\":\"red\""), "colour" },
		{ INSTANCE(",\"policy\":5"), "policy" },
		{ "{\"instances\":[{\"uuid\":\"5\",\"type\":\"ib-small\",\"socket\":\"/a\"}]}",
		  "uuid \"5\" is none" },
		{ "{\"instances\":[{\"uuid\":\"" UUID "5\",\"type\":\"ib-tiny\"}]}",
		  "no type ib-tiny" },
		{ "{\"instances\":[{\"uuid\":\"" UUID "5\",\"socket\":\"/a\"}]}", "no type" },
		{ "{\"instances\":[{\"uuid\":\"" UUID "5\",\"type\":\"ib-small\"}]}", "no socket" },
		{ "{\"cpus\":\"3-1\",\"instances\":[]}", "no list of CPUs" },
		{ "{\"cpus\":\"\",\"instances\":[]}", "no instance" },
		{ "{\"instances\":[{\"uuid\":\"" UUID "a\",\"type\":\"ib-small\",\"socket\":\"/a\"},"
		  "{\"uuid\":\"" UUID "A\",\"type\":\"ib-small\",\"socket\":\"/b\"}]}",
		  "of another one" },
	};
	struct mhcad_config config;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_not_equal(from_file(&config, bad[i][0]), 0);
		if (!strstr(said, bad[i][1]))
			fail_msg("%s: \"%s\" does not say \"%s\"", bad[i][0], said, bad[i][1]);
		mhcad_config_free(&config);
	}
}

static void options_are_read(void **state)
{
	struct mhcad_config config;

	mhcad_config_init(&config);
	assert_ok(mhcad_config_instance(&config, "uuid=" UUID "5,type=ib-small,socket=/run/a,"
					"segment=7,description=it's \"one\""));
	assert_string_equal(config.instances[0].policy,
			    "{\"segment\":\"7\",\"description\":\"it's \\\"one\\\"\"}");
	assert_ok(mhcad_config_check(&config));
	assert_int_not_equal(mhcad_config_instance(&config, "uuid"), 0);
	assert_int_not_equal(mhcad_config_instance(&config, "type=ib"), 0);
	mhcad_config_free(&config);
}

/* The same UUID has the same addresses in every front end: they are what guests know. */
static void addresses_are_the_kernels(void **state)
{
	struct mhca_identity id = { };
	u8 uuid[MHCA_UUID_BYTES];

	assert_ok(mhcad_uuid_parse("6d484341-1234-5678-9abc-def012345678", uuid));
	assert_int_equal(uuid[0], 0x41);
	assert_int_equal(uuid[4], 0x34);
	assert_int_equal(uuid[6], 0x78);
	assert_int_equal(uuid[8], 0x9a);
	mhca_identity_from_uuid(&id, uuid);
	assert_true(id.node_guid == 0x3aa9291552336470ULL && id.port_guid == 0xfe495c9853ce5c1aULL);
	assert_int_equal(id.mac[0] & 3, 2);
	assert_int_not_equal(id.node_guid, id.port_guid);
	assert_int_not_equal(mhcad_uuid_parse("6d484341-1234-5678-9abc-def01234567", uuid), 0);
	assert_int_not_equal(mhcad_uuid_parse("6d484341-1234-5678-9abc-def0123456789", uuid), 0);
	assert_int_not_equal(mhcad_uuid_parse("6d48434101234-5678-9abc-def012345678", uuid), 0);
	assert_int_not_equal(mhcad_uuid_parse("", uuid), 0);
}

/* ---- The control socket ----------------------------------------------------------- */

static int control_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strscpy(addr.sun_path, path, sizeof(addr.sun_path));
	assert_ok(connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
	return fd;
}

static const char *ask(int fd, const char *fmt, ...)
{
	static char text[MHCAD_ATTR_MAX + 64];
	va_list args;
	ssize_t len;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), n);
	len = recv(fd, text, sizeof(text) - 1, 0);
	assert_true(len > 0);
	text[len] = 0;
	return text;
}

static void control_reads_and_writes(void **state)
{
	struct rig *rig = *state;
	struct mhcad_device *devices[NODES];
	struct mhcad_instances all = { &rig->server.hca.hca, devices, NODES };
	struct mhcad_control *control;
	const char *uuid[NODES];
	char path[64], mac[64];
	struct stat st;
	u32 i;
	int fd;

	for (i = 0; i < NODES; i++) {
		devices[i] = rig->node[i].inst.dev;
		uuid[i] = rig->node[i].inst.conf.uuid;
	}
	snprintf(path, sizeof(path), "/tmp/mhcad-control-%d.sock", getpid());
	control = mhcad_control_start(path, &all);
	assert_false(IS_ERR(control));
	assert_ok(stat(path, &st));
	assert_int_equal(st.st_mode & 0777, 0600);
	fd = control_connect(path);

	assert_non_null(strstr(ask(fd, "list"), uuid[1]));
	assert_string_equal(ask(fd, "read %s state", uuid[0]), "ok\nclosed\n");
	assert_string_equal(ask(fd, "read %s type", uuid[0]), "ok\nib-small\n");
	assert_string_equal(ask(fd, "read %s max_qp", uuid[0]), "ok\n256\n");
	assert_string_equal(ask(fd, "read %s clamped/max_qp", uuid[0]), "ok\n256\n");
	assert_string_equal(ask(fd, "write %s max_qp 100", uuid[0]), "ok\n");
	assert_string_equal(ask(fd, "read %s visible/max_qp", uuid[0]), "ok\n64\n");
	assert_non_null(strstr(ask(fd, "read %s config", uuid[0]), "\"max_qp\":100"));
	assert_string_equal(ask(fd, "write %s config {\"weight\": 7}", uuid[0]), "ok\n");
	assert_string_equal(ask(fd, "read %s weight", uuid[0]), "ok\n7\n");

	assert_non_null(strstr(ask(fd, "write %s weight 0", uuid[0]), "error 34 weight"));
	assert_non_null(strstr(ask(fd, "read %s colour", uuid[0]), "error 2"));
	assert_non_null(strstr(ask(fd, "read 5 weight"), "error 19"));
	assert_non_null(strstr(ask(fd, "dance"), "error 22"));
	snprintf(mac, sizeof(mac), "%s", ask(fd, "read %s mac", uuid[1]) + 3);
	mac[strcspn(mac, "\n")] = 0;
	assert_non_null(strstr(ask(fd, "write %s mac %s", uuid[0], mac), "error 17 mac is that of"));
	assert_int_equal(send(fd, "list\0", 6, 0), 6);
	assert_true(recv(fd, mac, sizeof(mac), 0) > 0);
	assert_int_equal(strncmp(mac, "error 22", 8), 0);

	/* While a client is there, what its guest has seen stays. */
	node_open(&rig->node[0]);
	assert_string_equal(ask(fd, "read %s state", uuid[0]), "ok\ninitialised\n");
	assert_non_null(strstr(ask(fd, "write %s max_qp 50", uuid[0]), "error 16"));
	assert_string_equal(ask(fd, "write %s weight 9", uuid[0]), "ok\n");
	assert_non_null(strstr(ask(fd, "read %s counters", uuid[0]), "\nobjects_pd 1\n"));
	assert_string_equal(ask(fd, "read %s counters/objects_pd", uuid[0]), "ok\n1\n");
	node_close(&rig->node[0]);
	assert_string_equal(ask(fd, "read %s open", uuid[0]), "ok\n0\n");
	close(fd);
	mhcad_control_stop(control);
	assert_int_equal(access(path, F_OK), -1);
}

static int stream_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strscpy(addr.sun_path, path, sizeof(addr.sun_path));
	assert_ok(connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
	return fd;
}

/* Instances come and go while others are there, with a client or without. */
static void control_creates_and_removes(void **state)
{
	struct rig *rig = *state;
	struct mhcad_instances all;
	struct mhcad_control *control;
	char path[64], words[256];
	struct vu vu;
	u32 round;
	int fd;

	mhcad_instances_init(&all, &rig->server.hca.hca);
	snprintf(path, sizeof(path), "/tmp/mhcad-control-%d.sock", getpid());
	control = mhcad_control_start(path, &all);
	assert_false(IS_ERR(control));
	fd = control_connect(path);
	snprintf(words, sizeof(words), "create uuid=" UUID "1,type=ib-small,socket=%s.1", path);
	assert_string_equal(ask(fd, "list"), "ok\n");
	assert_string_equal(ask(fd, "%s", words), "ok\n");
	for (round = 0; round < 5; round++) {
		assert_string_equal(ask(fd, "create uuid=" UUID "2,type=roce-small,weight=7,"
					"socket=%s.2", path), "ok\n");
		assert_string_equal(ask(fd, "list"), "ok\n" UUID "1\n" UUID "2\n");
		assert_string_equal(ask(fd, "read " UUID "2 weight"), "ok\n7\n");
		snprintf(words, sizeof(words), "%s.2", path);
		vu_open(&vu, stream_connect(words), MEMORY);
		assert_non_null(strstr(ask(fd, "remove " UUID "2"), "error 16"));
		assert_non_null(strstr(ask(fd, "remove " UUID "2 now"), "error 22"));
		if (round & 1)
			assert_string_equal(ask(fd, "remove " UUID "2 force"), "ok\n");
		vu_close(&vu);
		while (!(round & 1) && strncmp(ask(fd, "remove " UUID "2"), "ok", 2))
			usleep(1000);
		assert_int_equal(access(words, F_OK), -1);
	}
	/* The same UUID, the same socket, no socket, nonsense. */
	assert_non_null(strstr(ask(fd, "create uuid=" UUID "1,type=ib-small,socket=/tmp/x"),
			       "error 17"));
	assert_non_null(strstr(ask(fd, "create uuid=" UUID "3,type=ib-small,socket=%s.1", path),
			       "error 17"));
	assert_non_null(strstr(ask(fd, "create uuid=" UUID "3,type=ib-small"), "error 22"));
	assert_non_null(strstr(ask(fd, "create uuid=" UUID "3,type=ib-small,socket=/tmp/x,"
				   "colour=5"), "error 2"));
	assert_non_null(strstr(ask(fd, "remove " UUID "3"), "error 19"));
	assert_string_equal(ask(fd, "list"), "ok\n" UUID "1\n");
	close(fd);
	mhcad_control_stop(control);
	mhcad_instances_fini(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_read),
		cmocka_unit_test(files_are_refused),
		cmocka_unit_test(options_are_read),
		cmocka_unit_test(addresses_are_the_kernels),
		rig_test(control_reads_and_writes),
		rig_test(control_creates_and_removes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
