/* SPDX-License-Identifier: MIT */
/*
 * The command line: options -> configuration -> gateway, or a question to a running one. Exit
 * codes: 0 fine, 1 runtime failure, 2 usage or configuration.
 */
#include "config/config.h"
#include "control/commands.h"
#include "explain.h"
#include "gateway.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HEADERS = 100 };

struct options {
	const char *config, *child, *address, *control;
	unsigned port;
	bool port_given, json, now, help;
	struct explain_request route; /* url NULL: not asked */
	const char *headers[MAX_HEADERS];
};

static const char usage[] =
	"usage: baton COMMAND [OPTION...]\n"
	"\n"
	"Serving:\n"
	"  baton serve -c FILE                serve what FILE says (docs/configuration.md)\n"
	"  baton serve --child CMD            serve every path with two children running CMD\n"
	"              [--port N]             (default 8080; 0: any free one, see the log)\n"
	"              [--address A]          (default 127.0.0.1)\n"
	"              [--control PATH]       control socket (with --child)\n"
	"  baton check -c FILE                say whether FILE is a valid configuration\n"
	"              [--route URL]          and which route a request for URL takes: ws:// and\n"
	"                                     wss:// upgrade, http:// and https:// are plain HTTP\n"
	"              [--header 'N: V']...   with these header fields too\n"
	"              [--listen ADDRESS]     at this listener of FILE (default: its first)\n"
	"\n"
	"Asking a running gateway (-c FILE or --control PATH says which; default: the default socket):\n"
	"  baton status [--json]              pools, children, connections, counters\n"
	"  baton connections [--json]         one line for each open connection\n"
	"  baton stop [--now]                 drain and stop; --now: do not wait for clients\n"
	"\n"
	"  baton --help, baton --version\n"
	"\n"
	"Exit codes: 0 fine, 1 runtime failure (check --route: a refusal), 2 usage or configuration.\n";

static int usage_error(const char *what, const char *detail)
{
	fprintf(stderr, "baton: %s%s\nTry 'baton --help'.\n", what, detail);
	return GATEWAY_USAGE;
}

/* ---- options ---- */

enum {
	OPTION_CHILD = 256,
	OPTION_PORT,
	OPTION_ADDRESS,
	OPTION_CONTROL,
	OPTION_JSON,
	OPTION_NOW,
	OPTION_ROUTE,
	OPTION_HEADER,
	OPTION_LISTEN
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"child", required_argument, NULL, OPTION_CHILD},
	{"port", required_argument, NULL, OPTION_PORT},
	{"address", required_argument, NULL, OPTION_ADDRESS},
	{"control", required_argument, NULL, OPTION_CONTROL},
	{"json", no_argument, NULL, OPTION_JSON},
	{"now", no_argument, NULL, OPTION_NOW},
	{"route", required_argument, NULL, OPTION_ROUTE},
	{"header", required_argument, NULL, OPTION_HEADER},
	{"listen", required_argument, NULL, OPTION_LISTEN},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static bool parse_port(const char *text, struct options *options)
{
	size_t len = strlen(text);
	if (len == 0 || len > 5 || strspn(text, "0123456789") != len || atoi(text) > 65535) {
		fprintf(stderr, "baton: --port %s is no port; give a number from 0 to 65535\n",
			text);
		return false;
	}
	options->port = (unsigned)atoi(text);
	options->port_given = true;
	return true;
}

static bool add_header(const char *text, struct options *options)
{
	if (strchr(text, ':') == NULL) {
		usage_error("--header needs 'Name: value', not ", text);
		return false;
	}
	if (options->route.header_count == MAX_HEADERS) {
		usage_error("too many times --header; no request may have so many", "");
		return false;
	}
	options->headers[options->route.header_count++] = text;
	return true;
}

/* False: said why. Nothing but options may follow the command. */
static bool parse_options(int argc, char **argv, struct options *options)
{
	int option;
	while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->config = optarg;
			break;
		case OPTION_CHILD:
			options->child = optarg;
			break;
		case OPTION_PORT:
			if (!parse_port(optarg, options)) {
				return false;
			}
			break;
		case OPTION_ADDRESS:
			options->address = optarg;
			break;
		case OPTION_CONTROL:
			if (optarg[0] == '\0') { /* the kernel would take it for an abstract name */
				usage_error("--control needs a path", "");
				return false;
			}
			options->control = optarg;
			break;
		case OPTION_JSON:
			options->json = true;
			break;
		case OPTION_NOW:
			options->now = true;
			break;
		case OPTION_ROUTE:
			options->route.url = optarg;
			break;
		case OPTION_HEADER:
			if (!add_header(optarg, options)) {
				return false;
			}
			break;
		case OPTION_LISTEN:
			options->route.listener = optarg;
			break;
		case 'h':
			options->help = true;
			break;
		default: /* getopt has said what */
			fputs("Try 'baton --help'.\n", stderr);
			return false;
		}
	}
	if (optind < argc) {
		usage_error("unexpected word: ", argv[optind]);
		return false;
	}
	return true;
}

/* ---- commands ---- */

static struct config *load(const struct options *options)
{
	char error[CONFIG_ERROR_BYTES];
	struct config *config = NULL;
	if (options->config != NULL) {
		config = config_load(options->config, error);
	} else {
		config = config_from_child(
			options->address != NULL ? options->address : "127.0.0.1",
			options->port_given ? options->port : 8080, options->child, error);
	}
	if (config == NULL) {
		fprintf(stderr, "baton: %s\n", error);
	} else if (options->control != NULL) {
		free(config->control);
		config->control = strdup(options->control);
	}
	return config;
}

static int run_serve(const struct options *options)
{
	if ((options->config != NULL) == (options->child != NULL)) {
		return usage_error("serve needs one of -c FILE and --child CMD", "");
	}
	if (options->config != NULL && (options->port_given || options->address != NULL)) {
		return usage_error("--port and --address go with --child; "
				   "with -c the file's listen sections say them",
				   "");
	}
	struct config *config = load(options);
	if (config == NULL) {
		return GATEWAY_USAGE;
	}
	int code = gateway_serve(config);
	config_destroy(config);
	return code;
}

static int run_check(const struct options *options)
{
	if (options->config == NULL) {
		return usage_error("check needs -c FILE", "");
	}
	struct explain_request route = options->route;
	if (route.url == NULL && (route.header_count > 0 || route.listener != NULL)) {
		return usage_error("--header and --listen go with --route", "");
	}
	struct config *config = load(options);
	if (config == NULL) {
		return GATEWAY_USAGE;
	}
	if (route.url != NULL) {
		route.headers = options->headers;
		int code = explain_route(config, options->config, &route);
		config_destroy(config);
		return code;
	}
	explain_unused_pools(config, options->config);
	printf("%s: fine: %zu listeners, %zu pools, %zu routes\n", options->config,
	       config->listener_count, config->pool_count, config->route_count);
	config_destroy(config);
	return GATEWAY_OK;
}

/* Where the gateway that is asked has its socket. NULL: the file is bad, said why. */
static char *control_path(const struct options *options)
{
	if (options->control != NULL) {
		return strdup(options->control);
	}
	if (options->config == NULL) {
		return strdup(config_default_control());
	}
	struct config *config = load(options);
	if (config == NULL) { /* who edits a file has not stopped its gateway by that */
		fputs("baton: to reach a gateway that runs: --control PATH, or a signal (SIGTERM "
		      "stops it)\n",
		      stderr);
		return NULL;
	}
	char *path = strdup(config->control);
	config_destroy(config);
	return path;
}

static int ask_status(const char *path, const struct options *options)
{
	return commands_status(path, options->json);
}

static int ask_connections(const char *path, const struct options *options)
{
	return commands_connections(path, options->json);
}

static int ask_stop(const char *path, const struct options *options)
{
	return commands_stop(path, options->now);
}

static const struct command {
	const char *name;
	int (*run)(const struct options *);                   /* works here, or */
	int (*ask)(const char *path, const struct options *); /* asks a running gateway */
} commands[] = {
	{"serve", run_serve, NULL},   {"check", run_check, NULL},
	{"status", NULL, ask_status}, {"connections", NULL, ask_connections},
	{"stop", NULL, ask_stop},
};

static int unknown_command(const char *word)
{
	fprintf(stderr, "baton: unknown command: %s; there are", word);
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		fprintf(stderr, "%s %s", i > 0 ? "," : "", commands[i].name);
	}
	fputs("\nTry 'baton --help'.\n", stderr);
	return GATEWAY_USAGE;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct options options = {0};
	char name[sizeof "baton connections"];
	snprintf(name, sizeof name, "baton %s", command->name);
	argv[0] = name; /* what getopt's complaints begin with */
	if (!parse_options(argc, argv, &options)) {
		return GATEWAY_USAGE;
	}
	if (options.help) {
		fputs(usage, stdout);
		return GATEWAY_OK;
	}
	if (command->run != NULL) {
		return command->run(&options);
	}
	char *path = control_path(&options);
	int code = path != NULL ? command->ask(path, &options) : GATEWAY_USAGE;
	free(path);
	return code;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "serve") == 0) {
		gateway_block_signals();
	}
	if (argc < 2) {
		fputs(usage, stderr);
		return GATEWAY_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		fputs(usage, stdout);
		return GATEWAY_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("baton " BATON_VERSION);
		return GATEWAY_OK;
	}
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (strcmp(commands[i].name, argv[1]) == 0) {
			return run(&commands[i], argc - 1, argv + 1);
		}
	}
	return unknown_command(argv[1]);
}
