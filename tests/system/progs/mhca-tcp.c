// SPDX-License-Identifier: GPL-2.0-only
/*
 * mhca-tcp [-p PORT] [-s SIZE] [-n COUNT] [HOST]: ping-pong over TCP; the client
 * prints the microseconds of half a round trip, as perftest's latency programs do.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char buf[1 << 20];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void move(int fd, size_t size, int out)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = out ? write(fd, buf + done, size - done) :
				  read(fd, buf + done, size - done);

		if (n <= 0)
			die("connection");
		done += (size_t)n;
	}
}

static int open_connection(const char *host, uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0), conn = fd;

	if (host) {
		inet_pton(AF_INET, host, &sa.sin_addr);
		if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
			die("connect");
	} else {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 1))
			die("listen");
		conn = accept(fd, NULL, NULL);
	}
	setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return conn;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	size_t size = 8;
	int count = 1000, port = 18800, c, fd;
	double *us;

	while ((c = getopt(argc, argv, "p:s:n:")) != -1) {
		if (c == 'p')
			port = atoi(optarg);
		else if (c == 's')
			size = strtoul(optarg, NULL, 0) % sizeof(buf);
		else if (c == 'n')
			count = atoi(optarg);
		else
			return 2;
	}
	us = calloc((size_t)count, sizeof(*us));
	fd = open_connection(argv[optind], (uint16_t)port);
	for (int i = 0; us && i < count; i++) {
		struct timespec a, b;

		clock_gettime(CLOCK_MONOTONIC, &a);
		move(fd, size, !!argv[optind]);
		move(fd, size, !argv[optind]);
		clock_gettime(CLOCK_MONOTONIC, &b);
		us[i] = ((double)(b.tv_sec - a.tv_sec) * 1e9 +
			 (double)(b.tv_nsec - a.tv_nsec)) / 2000;
	}
	if (us && argv[optind]) {
		qsort(us, (size_t)count, sizeof(*us), by_value);
		printf("%.2f\n", us[count / 2]);
	}
	return !us;
}
