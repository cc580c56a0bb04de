/* SPDX-License-Identifier: MIT */
/*
 * What the judgement of one upgrade costs: head_parse, request_judge and route_find on the head
 * that Chromium sends, in ns. Prints the best of a few rounds, which disturbs least; part of no
 * test, for people who change these modules.
 */
#include "admit/request.h"
#include "config/config.h"
#include "route/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 5, TURNS = 50000, LIMIT = 16384 };

static const char text[] =
	"GET /chat/lobby?room=42 HTTP/1.1\r\n"
	"Host: www.example.org\r\n"
	"Connection: Upgrade\r\n"
	"Pragma: no-cache\r\n"
	"Cache-Control: no-cache\r\n"
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
	"Chrome/126.0.0.0 Safari/537.36\r\n"
	"Upgrade: websocket\r\n"
	"Origin: https://www.example.org\r\n"
	"Sec-WebSocket-Version: 13\r\n"
	"Accept-Encoding: gzip, deflate, br, zstd\r\n"
	"Accept-Language: en-GB,en;q=0.9\r\n"
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
	"\r\n";

static bool here[] = {true};
static struct config_route routes[] = {
	{.name = "api.example.org/", .host = "api.example.org", .path = "/", .listeners = here},
	{.name = "/status", .path = "/status", .listeners = here},
	{.name = "/chat", .path = "/chat", .listeners = here},
};
static const struct config config = {.routes = routes, .route_count = 3};

static struct head head;

static void judge_once(bool whole)
{
	struct request request;
	enum refusal refusal;
	if (head_parse(text, sizeof text - 1, LIMIT, &head, &refusal) != HEAD_OK) {
		abort();
	}
	if (!whole) {
		return;
	}
	if (request_judge(&head, &request) != REFUSAL_NONE ||
	    route_find(&config, 0, request.host_name, request.path) != &routes[2]) {
		abort();
	}
}

static double best_ns(bool whole)
{
	double best = 1e9;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct timespec from, to;
		clock_gettime(CLOCK_MONOTONIC, &from);
		for (unsigned turn = 0; turn < TURNS; turn++) {
			judge_once(whole);
		}
		clock_gettime(CLOCK_MONOTONIC, &to);
		double ns = (double)(to.tv_sec - from.tv_sec) * 1e9 +
			    (double)(to.tv_nsec - from.tv_nsec);
		best = ns / TURNS < best ? ns / TURNS : best;
	}
	return best;
}

int main(void)
{
	printf("head of %zu bytes: parse %.0f ns, parse + judge + route %.0f ns\n", sizeof text - 1,
	       best_ns(false), best_ns(true));
	return 0;
}
