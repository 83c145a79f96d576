// SPDX-License-Identifier: GPL-2.0-only
/* mhca-verify: command line, the two sides, and the walk through the tests. */
#include "verify.h"

#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/**
 * struct run - one side of a run
 * @side: the side
 * @passed: tests passed
 * @failed: tests failed
 */
struct run {
	struct side side;
	unsigned int passed;
	unsigned int failed;
};

static const struct {
	const struct test *tests;
	const size_t *n;
} groups[] = {
	{ traffic_tests, &n_traffic_tests },
	{ atomic_tests, &n_atomic_tests },
	{ datagram_tests, &n_datagram_tests },
	{ window_tests, &n_window_tests },
	{ event_tests, &n_event_tests },
	{ error_tests, &n_error_tests },
};

static void run_test(struct run *r, const struct test *t)
{
	struct side *s = &r->side;
	uint64_t messages = s->messages, bytes = s->bytes, t0 = now_ms();
	int err;

	s->broken = false;
	s->why[0] = 0;
	s->rng = s->opt->seed * 0x9e3779b97f4a7c15ULL | 1;
	err = t->run(s, t->arg);
	if (err && !s->broken)
		give_up(s);
	if (!err && meet(s))
		err = -1;
	if (err) {
		r->failed++;
		printf("FAIL %s (side %d): %s\n", t->name, s->index, s->why);
	} else {
		r->passed++;
		if (s->index == 0)
			printf("ok %s: %llu messages, %llu bytes checked, %llu ms\n",
			       t->name, (unsigned long long)(s->messages - messages),
			       (unsigned long long)(s->bytes - bytes),
			       (unsigned long long)(now_ms() - t0));
	}
	fflush(stdout);
}

static void *run_side(void *arg)
{
	struct run *r = arg;
	struct side *s = &r->side;
	int err = side_open(s);

	if (err)
		give_up(s);
	else
		err = swap(s, &s->mine, &s->peer, sizeof(s->mine));
	if (err) {
		printf("FAIL open (side %d): %s\n", s->index, s->why);
		r->failed++;
		side_close(s);
		return NULL;
	}
	for (size_t g = 0; g < ARRAY_SIZE(groups); g++)
		for (size_t i = 0; i < *groups[g].n; i++)
			if (!fnmatch(s->opt->tests, groups[g].tests[i].name, 0))
				run_test(r, &groups[g].tests[i]);
	side_close(s);
	return NULL;
}

static void list_tests(void)
{
	for (size_t g = 0; g < ARRAY_SIZE(groups); g++)
		for (size_t i = 0; i < *groups[g].n; i++)
			puts(groups[g].tests[i].name);
}

static int tcp_listen(const struct addrinfo *ai)
{
	int one = 1, fd, conn = -1;

	fd = socket(ai->ai_family, ai->ai_socktype, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!bind(fd, ai->ai_addr, ai->ai_addrlen) && !listen(fd, 1)) {
		printf("listening\n");
		fflush(stdout);
		conn = accept(fd, NULL, NULL);
	}
	close(fd);
	return conn;
}

/* The server may start later than we do. */
static int tcp_connect(const struct addrinfo *ai, unsigned int timeout)
{
	uint64_t end = now_ms() + timeout * 1000ULL;

	do {
		int fd = socket(ai->ai_family, ai->ai_socktype, 0);

		if (fd < 0)
			return -1;
		if (!connect(fd, ai->ai_addr, ai->ai_addrlen))
			return fd;
		close(fd);
		usleep(20000);
	} while (now_ms() < end);
	return -1;
}

static int tcp_open(const char *host, const char *port, unsigned int timeout)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM,
				  .ai_flags = host ? 0 : AI_PASSIVE }, *ai;
	int fd, one = 1, err = getaddrinfo(host, port, &hints, &ai);

	if (err) {
		fprintf(stderr, "%s: %s\n", host, gai_strerror(err));
		return -1;
	}
	fd = host ? tcp_connect(ai, timeout) : tcp_listen(ai);
	freeaddrinfo(ai);
	if (fd < 0)
		fprintf(stderr, "no connection: %s\n", strerror(errno));
	else
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* Both sides as threads of this process. */
static int run_loopback(const struct options *opt, struct run *run)
{
	pthread_t thread;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
		return -1;
	for (int i = 0; i < 2; i++)
		run[i].side = (struct side){ .index = i, .fd = fd[i], .opt = opt };
	if (pthread_create(&thread, NULL, run_side, &run[1]))
		return -1;
	run_side(&run[0]);
	return pthread_join(thread, NULL);
}

static const char usage[] =
"usage: mhca-verify [options] [HOST]\n"
"  no HOST: be the server    HOST: connect to it    -l: both in one process\n"
"  -d DEV  device            -i N   port             -g N  GID index\n"
"  -p N    TCP port          -t PAT tests (shell pattern)   -L  list them\n"
"  -e      use events        -T S   timeout of a wait       -s N  seed\n"
"  -S N    seconds of the soak test\n";

static int parse(struct options *opt, int argc, char **argv, bool *loopback,
		 const char **port)
{
	int c;

	while ((c = getopt(argc, argv, "d:i:g:p:t:eT:s:S:lL")) != -1) {
		switch (c) {
		case 'd': opt->device = optarg; break;
		case 'i': opt->port = (uint8_t)atoi(optarg); break;
		case 'g': opt->gid_index = atoi(optarg); break;
		case 'p': *port = optarg; break;
		case 't': opt->tests = optarg; break;
		case 'e': opt->events = true; break;
		case 'T': opt->timeout = (unsigned int)atoi(optarg); break;
		case 's': opt->seed = strtoull(optarg, NULL, 0); break;
		case 'S': opt->seconds = (unsigned int)atoi(optarg); break;
		case 'l': *loopback = true; break;
		case 'L': list_tests(); exit(0);
		default:
			fputs(usage, stderr);
			return -1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct options opt = { .port = 1, .gid_index = -1, .timeout = 60,
			       .seconds = 5, .seed = 1, .tests = "*" };
	const char *port = "18600", *host;
	static struct run run[2];
	bool loopback = false;
	unsigned int failed;

	if (parse(&opt, argc, argv, &loopback, &port))
		return 2;
	host = argv[optind];
	if (loopback) {
		if (run_loopback(&opt, run))
			return 2;
	} else {
		int fd = tcp_open(host, port, opt.timeout);

		if (fd < 0)
			return 2;
		run[0].side = (struct side){ .index = host ? 0 : 1, .fd = fd,
					     .opt = &opt };
		run_side(&run[0]);
	}
	failed = run[0].failed > run[1].failed ? run[0].failed : run[1].failed;
	printf("%u passed, %u failed\n", run[0].passed, failed);
	return failed || !run[0].passed;
}
