/* SPDX-License-Identifier: MIT */
/*
 * What baton_publish costs beside a bare loop of send() over the same sockets: CPU time of both,
 * round by round in turns, on loopback TCP. Run by hand: baton-publish [subscribers [rounds]].
 * Everything is in one process: the child, its gateway and the clients, which read between rounds.
 */
#include "handoff/handoff.h"
#include "libbaton/baton.h"
#include "libbaton/conn.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PAYLOAD_BYTES = 64, HEADER_BYTES = 2, MOST_ROUNDS = 1000 };

static struct baton *baton;
static int *clients, *servers; /* servers: the child's own descriptors */
static size_t count;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double cpu_secs(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int subscribe(struct baton_conn *conn, void *data)
{
	(void)data;
	return baton_subscribe(conn, "all") == 0 ? BATON_ACCEPT : 503;
}

static int create_child(void)
{
	static const struct baton_app app = {.size = sizeof app, .open = subscribe};
	int pair[2];
	char number[16];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0) {
		die("socketpair");
	}
	snprintf(number, sizeof number, "%d", pair[1]);
	setenv("BATON_FD", number, 1);
	setenv("BATON_PROTOCOL", "1", 1);
	baton = baton_create(&app, NULL);
	if (baton == NULL) {
		die(baton_explain());
	}
	static const char hello[] = "SEND_LIMIT=65536\0SLOW_CLIENT=skip";
	handoff_send(pair[0], HANDOFF_HELLO, 0, hello, sizeof hello, -1);
	baton_dispatch(baton);
	return pair[0];
}

/* One connection over loopback: the client's end is returned, the server's goes to *server_r. */
static int connect_pair(int listener, int *server_r)
{
	struct sockaddr_in address;
	socklen_t len = sizeof address;
	getsockname(listener, (struct sockaddr *)&address, &len);
	int client = socket(AF_INET, SOCK_STREAM, 0);
	if (client < 0 || connect(client, (struct sockaddr *)&address, len) != 0) {
		die("connect");
	}
	*server_r = accept(listener, NULL, NULL);
	if (*server_r < 0) {
		die("accept");
	}
	return client;
}

static void read_all(int client)
{
	static char buf[65536];
	while (recv(client, buf, sizeof buf, MSG_DONTWAIT) > 0) {
	}
}

static void connect_all(int channel)
{
	static const char offer[] =
		"HEAD=GET / HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
	static char packet[HANDOFF_MAX_BYTES];
	struct handoff_message message;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (bind(listener, (struct sockaddr *)&any, sizeof any) != 0 || listen(listener, 10) != 0) {
		die("listen");
	}
	for (size_t i = 0; i < count; i++) {
		int server;
		clients[i] = connect_pair(listener, &server);
		handoff_send(channel, HANDOFF_CONNECTION, i + 1, offer, sizeof offer, server);
		close(server);
		baton_dispatch(baton);
		servers[i] = baton_find(baton, i + 1)->fd;
		handoff_receive(channel, packet, &message, NULL);
		read_all(clients[i]);
	}
	close(listener);
}

static double send_round(const char *frame)
{
	double begun = cpu_secs();
	for (size_t i = 0; i < count; i++) {
		if (send(servers[i], frame, HEADER_BYTES + PAYLOAD_BYTES,
			 MSG_DONTWAIT | MSG_NOSIGNAL) != HEADER_BYTES + PAYLOAD_BYTES) {
			die("send");
		}
	}
	return cpu_secs() - begun;
}

static double publish_round(const char *payload, size_t expected)
{
	double begun = cpu_secs();
	int taken = baton_publish(baton, "all", NULL, BATON_TEXT, payload, PAYLOAD_BYTES);
	double spent = cpu_secs() - begun;
	if ((size_t)taken != expected) {
		fprintf(stderr, "%d of %zu were served\n", taken, expected);
		exit(1);
	}
	return spent;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof *values, by_size);
	return values[n / 2];
}

static void compare(size_t rounds, const char *frame, size_t expected, const char *what)
{
	static double bare[MOST_ROUNDS], published[MOST_ROUNDS];
	for (size_t i = 0; i < rounds; i++) {
		bare[i] = send_round(frame);
		for (size_t k = 0; k < count; k++) {
			read_all(clients[k]);
		}
		published[i] = publish_round(frame + HEADER_BYTES, expected);
		for (size_t k = 0; k < count; k++) {
			read_all(clients[k]);
		}
	}
	double a = median(bare, rounds) / (double)count,
	       b = median(published, rounds) / (double)count;
	printf("%-28s %zu subscribers  send() %.0f ns  publish %.0f ns  ratio %.3f\n", what, count,
	       a * 1e9, b * 1e9, b / a);
}

int main(int argc, char **argv)
{
	count = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 9900;
	size_t rounds = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 41;
	rounds = rounds < MOST_ROUNDS ? rounds : MOST_ROUNDS;
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	clients = calloc(count + 1, sizeof *clients);
	servers = calloc(count + 1, sizeof *servers);
	connect_all(create_child());

	char frame[HEADER_BYTES + PAYLOAD_BYTES] = {(char)0x81, PAYLOAD_BYTES};
	memset(frame + HEADER_BYTES, 'x', PAYLOAD_BYTES);
	compare(rounds, frame, count, "all read");

	/* The last one reads no more: its queue fills up, then it is skipped. */
	count--;
	static char block[32768];
	for (int i = 0; i < 400; i++) {
		baton_send(baton_find(baton, count + 1), BATON_BINARY, block, sizeof block);
	}
	baton_dispatch(baton);
	while (baton_send(baton_find(baton, count + 1), BATON_TEXT, block, 1) != BATON_FULL) {
	}
	compare(rounds, frame, count, "one more that never reads");
	return 0;
}
