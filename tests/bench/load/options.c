/* SPDX-License-Identifier: MIT */
/*
 * Reads the command line of the load generator. Every number is checked here, so that the modes
 * need not. It opens nothing. Called by main alone.
 */
#include "options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "clock.h"
#include "frames.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

enum {
	MAX_CONNECTIONS = 1000000,
	MAX_INFLIGHT = 1024,
	MAX_SOURCES = 250,
	MAX_EARLY_BYTES = 65536,
	MAX_SECONDS = 86400,
	DEFAULT_CONNECTIONS = 64,
	DEFAULT_BYTES = 64,
	DEFAULT_SOURCES = 16,
	DEFAULT_TIMEOUT_SECS = 10,
	DEFAULT_DEADLINE_SECS = 120,
};

static const char USAGE[] =
	"usage: load MODE TARGET [options]\n"
	"  MODE    upgrade | paced | echo | raw | idle | early\n"
	"  TARGET  127.0.0.1:PORT | [::1]:PORT | unix:PATH\n"
	"  --connections N  --count N  --seconds S  --inflight N  --bytes N  --rate N  --hold  --turns\n"
	"  --early-bytes N  --seed N  --sources N  --host H  --path P  --timeout S  --deadline S\n";

__attribute__((format(printf, 1, 2), noreturn)) static void usage(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("load: ", stderr);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n%s", USAGE);
	exit(2);
}

static double number(const char *name, const char *text, double min, double max)
{
	char *end;
	double value = strtod(text, &end);
	if (end == text || *end != '\0' || !(value >= min && value <= max)) {
		usage("--%s wants a number from %.0f to %.0f, not \"%s\"", name, min, max, text);
	}
	return value;
}

static enum options_mode parse_mode(const char *text)
{
	static const char *const names[] = {
		[OPTIONS_UPGRADE] = "upgrade", [OPTIONS_PACED] = "paced", [OPTIONS_ECHO] = "echo",
		[OPTIONS_RAW] = "raw",         [OPTIONS_IDLE] = "idle",   [OPTIONS_EARLY] = "early",
	};
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			return (enum options_mode)i;
		}
	}
	usage("no such mode: %s", text);
}

static void parse_unix(struct options *options, const char *path)
{
	struct sockaddr_un *address = (struct sockaddr_un *)&options->address;
	if (path[0] == '\0' || strlen(path) >= sizeof address->sun_path) {
		usage("a path of 1 to %zu bytes belongs behind unix:",
		      sizeof address->sun_path - 1);
	}
	address->sun_family = AF_UNIX;
	strcpy(address->sun_path, path);
	options->address_len = sizeof *address;
}

static void parse_target(struct options *options, const char *text)
{
	if (strncmp(text, "unix:", 5) == 0) {
		parse_unix(options, text + 5);
		return;
	}
	char host[64];
	const char *colon = strrchr(text, ':');
	if (colon == NULL || (size_t)(colon - text) >= sizeof host) {
		usage("a target is ADDRESS:PORT or unix:PATH, not \"%s\"", text);
	}
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	in_port_t port = htons((in_port_t)number("target's port", colon + 1, 1, 65535));

	struct sockaddr_in *four = (struct sockaddr_in *)&options->address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&options->address;
	if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = port;
		options->address_len = sizeof *four;
	} else if (strcmp(host, "[::1]") == 0) {
		six->sin6_family = AF_INET6;
		six->sin6_addr = in6addr_loopback;
		six->sin6_port = port;
		options->address_len = sizeof *six;
	} else {
		usage("no IPv4 address and not [::1]: \"%s\"", host);
	}
}

static uint64_t seconds(const char *name, const char *text)
{
	return (uint64_t)(number(name, text, 0.001, MAX_SECONDS) * CLOCK_NS_PER_SEC);
}

static void parse_option(struct options *o, const char *name, const char *text)
{
	if (strcmp(name, "connections") == 0) {
		o->connections = (unsigned)number(name, text, 1, MAX_CONNECTIONS);
	} else if (strcmp(name, "count") == 0) {
		o->count = (uint64_t)number(name, text, 1, 1e12);
	} else if (strcmp(name, "seconds") == 0) {
		o->duration_ns = seconds(name, text);
	} else if (strcmp(name, "inflight") == 0) {
		o->inflight = (unsigned)number(name, text, 1, MAX_INFLIGHT);
	} else if (strcmp(name, "bytes") == 0) {
		o->bytes = (size_t)number(name, text, 1, FRAMES_PAYLOAD_MAX);
	} else if (strcmp(name, "rate") == 0) {
		o->rate = number(name, text, 0.1, 1e6);
	} else if (strcmp(name, "early-bytes") == 0) {
		o->early_bytes = (size_t)number(name, text, 0, MAX_EARLY_BYTES);
	} else if (strcmp(name, "seed") == 0) {
		o->seed = (uint64_t)number(name, text, 0, 1e15);
	} else if (strcmp(name, "sources") == 0) {
		o->sources = (unsigned)number(name, text, 0, MAX_SOURCES);
	} else if (strcmp(name, "timeout") == 0) {
		o->timeout_ns = seconds(name, text);
	} else if (strcmp(name, "deadline") == 0) {
		o->deadline_ns = seconds(name, text);
	} else if (strcmp(name, "host") == 0) {
		o->host = text;
	} else if (strcmp(name, "path") == 0) {
		o->path = text;
	} else if (strcmp(name, "turns") == 0) {
		o->turns = true;
	} else {
		o->hold = true;
	}
}

static void check(struct options *o)
{
	if (o->mode == OPTIONS_PACED && (o->rate == 0 || o->duration_ns == 0)) {
		usage("paced needs --rate and --seconds");
	}
	if (o->mode != OPTIONS_IDLE && o->count == 0 && o->duration_ns == 0) {
		usage("%s needs --count or --seconds", o->mode_name);
	}
	if (strlen(o->host) + strlen(o->path) > 512) {
		usage("host and path are too long");
	}
}

void options_parse(struct options *options_r, int argc, char **argv)
{
	static const struct option table[] = {
		{"connections", required_argument, NULL, 'o'},
		{"count", required_argument, NULL, 'o'},
		{"seconds", required_argument, NULL, 'o'},
		{"inflight", required_argument, NULL, 'o'},
		{"bytes", required_argument, NULL, 'o'},
		{"rate", required_argument, NULL, 'o'},
		{"hold", no_argument, NULL, 'o'},
		{"turns", no_argument, NULL, 'o'},
		{"early-bytes", required_argument, NULL, 'o'},
		{"seed", required_argument, NULL, 'o'},
		{"sources", required_argument, NULL, 'o'},
		{"host", required_argument, NULL, 'o'},
		{"path", required_argument, NULL, 'o'},
		{"timeout", required_argument, NULL, 'o'},
		{"deadline", required_argument, NULL, 'o'},
		{NULL, 0, NULL, 0},
	};
	*options_r = (struct options){
		.sources = DEFAULT_SOURCES,
		.host = "127.0.0.1",
		.path = "/",
		.connections = DEFAULT_CONNECTIONS,
		.inflight = 1,
		.bytes = DEFAULT_BYTES,
		.early_bytes = MAX_EARLY_BYTES,
		.seed = 1,
		.timeout_ns = (uint64_t)DEFAULT_TIMEOUT_SECS * CLOCK_NS_PER_SEC,
		.deadline_ns = (uint64_t)DEFAULT_DEADLINE_SECS * CLOCK_NS_PER_SEC,
	};
	int which;
	int got;
	while ((got = getopt_long(argc, argv, "", table, &which)) != -1) {
		if (got != 'o') {
			usage("see above");
		}
		parse_option(options_r, table[which].name, optarg);
	}
	if (argc - optind != 2) {
		usage("a mode and a target are needed");
	}
	options_r->mode_name = argv[optind];
	options_r->mode = parse_mode(argv[optind]);
	parse_target(options_r, argv[optind + 1]);
	check(options_r);
}
