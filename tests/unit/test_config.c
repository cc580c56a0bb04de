/* SPDX-License-Identifier: MIT */
/*
 * The configuration as its callers see it: texts and the exact sentence that refuses them, texts
 * and the fields that come of them, and docs/configuration.md against the table of keys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/keys.h"
#include "config/source.h"
#include "config/values.h"
#include "config_of.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define LISTEN "listen \"127.0.0.1:0\" {}\n"
#define POOL   "pool \"chat\" { command = {\"chat\"} }\n"
#define AUTH   "pool \"tokens\" { kind = auth command = {\"tokens\"} }\n"
#define ROUTE  "route \"/\" { pool = \"chat\" }\n"

/* Ends of sentences that many rows share. */
#define NEEDS_QUOTES                                                      \
	": what holds more than letters, digits, '_', '.' and '-' needs " \
	"quotes, and nothing ends with ';'"
#define BAD_ESCAPE " is not known between double quotes (\\\\, \\\", \\$, \\n and \\t are)"
#define NOT_AN_ADDRESS                                           \
	" is not an address: write it like \"127.0.0.1:8080\", " \
	"\"[::1]:8080\", \"*:8080\" or \"unix:/run/baton.sock\" (names are not looked up)"
#define NO_COMMAND                                                           \
	"command is missing: which program are its children? As in command " \
	"= {\"program\", \"argument\"}"
#define BLANK_PROGRAM " has blanks in the program's name; a list has one word each: {"
#define BAD_NAME                                                             \
	" a name is 1 to 64 letters, digits, '_', '.', '-', without '-' in " \
	"front"
#define NOT_A_HOST                                                                \
	" is not a host (a name, an address or \"*.name\", no scheme, no port); " \
	"a path alone begins with '/'"
#define SAME_ROUTE(title, line)                                               \
	": route \"" title "\" at line " line " fits the same requests: one " \
	"must go, or say another host, path or condition"
#define NOT_A_PATH                                                                \
	": the path holds what a request's path cannot (no query, no spaces, no " \
	"'.' or '..' segment; other characters as %XX)"
#define NO_STAR(path)                                                         \
	": no path has wildcards: \"" path "\" covers all that is below it, " \
	"write it without '*'"
#define NO_WILDCARDS                                                             \
	": there are no wildcards in origins; name each origin, or \"*\" alone " \
	"for every page"
#define NOT_A_PAIR                                                       \
	" is neither KEY nor KEY=VALUE as in a URL (no '&', no '#', no " \
	"spaces; others as %XX)"
#define NOT_A_HEADER " is neither \"Name\" nor \"Name: value\""
#define WITHHELD                                                         \
	" cannot be relied on: a client's own field of that name never " \
	"reaches a child"
#define NOT_WHOLE "digits alone, no zero in front)"
#define NOT_A_DURATION                                                      \
	" is not a duration: a whole number and its unit, as in \"50ms\", " \
	"\"5s\", \"2m\" or \"1h\""
#define NOT_A_SIZE                                                           \
	" is not a size: a whole number of bytes, or with k, M or G behind " \
	"it, as in \"64k\""
#define NOT_A_RATE                                                    \
	" is not a rate: 1 to 1000000 and the time, as in \"20/s\", " \
	"\"30/m\" or \"100/h\""
#define TAKEN(name, line)                                                         \
	": listen \"" name "\" at line " line " has that address too (\"*\" and " \
	"\"0.0.0.0\" are every IPv4 address, \"[::]\" every IPv6 one)"
#define NEEDS_PORT  " needs a port from 0 to 65535 at the end (0: any free one)"
#define NO_LISTENER "there is no listener; add one, as in: listen \"127.0.0.1:8080\" {}"

struct row {
	const char *text;
	const char *error; /* without "f:" in front */
};

static void check_refused(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char error[CONFIG_ERROR_BYTES];
		char expected[CONFIG_ERROR_BYTES];
		snprintf(expected, sizeof(expected), "f:%s", rows[i].error);
		struct config *config = config_parse("f", rows[i].text, error);
		if (config != NULL || strcmp(error, expected) != 0) {
			print_error("row %zu: %s\n", i, rows[i].text);
		}
		assert_null(config);
		assert_string_equal(error, expected);
	}
}

static void test_config_refuses_broken_grammar(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{LISTEN POOL ROUTE "\n/* never\n closed",
		 "5: the comment that begins here is never closed"},
		{LISTEN POOL "route \"/\" {\n pool = \"chat\"\n",
		 "3: the '{' that stands here is never closed"},
		{LISTEN "pool \"chat\" { command = {\"a\"\n}\n",
		 "2: the '{' that stands here is never closed"},
		{LISTEN "pool \"chat\" { command = {\"a\"\n",
		 "2: the '{' that stands here is never closed"},
		{"\n}\n", "2: '}' closes nothing"},
		{LISTEN "pool \"a { }\n" ROUTE,
		 "2: the text that begins with \" is not closed on its line"},
		{LISTEN "pool 'a { }\n" ROUTE,
		 "2: the text that begins with ' is not closed on its line"},
		{"control = 'a\\", "1: the text that begins with ' is not closed on its line"},
		{"control = \"a\\", "1: \\ " BAD_ESCAPE},
		{"control = \"a\\0b\"", "1: \\0" BAD_ESCAPE},
		{"control = \"a\\x00b\"", "1: \\x" BAD_ESCAPE},
		{"control = ", "1: control = needs a value"},
		{"limits { connections = }", "1: connections = needs a value"},
		{"control", "1: control needs '=' and a value"},
		{"pool \"a\"", "1: pool needs a '{' here"},
		{"pool { }", "1: pool needs a title before its '{'"},
		{"limits { connections 5 }", "1: connections needs '=' and a value"},
		{"\nlimits { connections = 5; }", "2: unexpected ';'" NEEDS_QUOTES},
		{"listen 127.0.0.1:80 {}", "1: unexpected ':'" NEEDS_QUOTES},
		{"limits { connections = * }", "1: unexpected '*'" NEEDS_QUOTES},
		{"limits { connections += 5 }", "1: unexpected '+'" NEEDS_QUOTES},
		{"\xef\xbb\xbf" LISTEN, "1: unexpected byte 0xef outside quotes"},
		{"\"control\" = x", "1: '=' needs a key before it, without quotes"},
		{"limits { limits { } }", "1: '{' within a section that line 1 opened"},
		{"pool \"a\" { command = { { } } }", "1: '{' within a list that line 1 opened"},
		{"limits { connections = {5} }", "1: unexpected '{'"},
		{"pool \"p\" {\n command = {a b} }",
		 "2: unexpected 'b': a ',' stands between the words of a list"},
		{"include(\"f\")", "1: unexpected '('" NEEDS_QUOTES},
		{"include \"f\"", "1: unknown section \"include\""},
	};
	check_refused(rows, LENGTH(rows));
}

static void test_config_refuses_unknown_words(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"\n\ncontrl = \"/x\"", "3: unknown key \"contrl\" (did you mean \"control\"?)"},
		{"/* one\n two */ pol \"a\" {}",
		 "2: unknown section \"pol\" (did you mean the section \"pool\"?)"},
		{"limit = 5", "1: unknown key \"limit\" (did you mean the section \"limits\"?)"},
		{"server \"a\" {}", "1: unknown section \"server\""},
		{"limit { connections = 5 }",
		 "1: unknown section \"limit\" (did you mean the section \"limits\"?)"},
		{"pool \"a\" {\n\n childrn = 2 }",
		 "3: pool \"a\": unknown key \"childrn\" (did you mean \"children\"?)"},
		{"limits { # }\n rate = 5 }", "2: limits: unknown key \"rate\""},
		{"route \"/\" { command = {\"x\"} }",
		 "1: route \"/\": unknown key \"command\" (it is a key of pool)"},
		{"health = \"/\"", "1: unknown key \"health\" (it is a key of listen)"},
		{"limits { control = \"/x\" }",
		 "1: limits: unknown key \"control\" (it is a key of the top level)"},
		{"__end = true", "1: unknown key \"__end\""},
		{"Control = \"/x\"", "1: unknown key \"Control\" (did you mean \"control\"?)"},
	};
	check_refused(rows, LENGTH(rows));
}

static void test_config_refuses_what_stands_twice(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"control = \"/a\"\ncontrol = \"/a\"",
		 "2: control is set a second time (first at line 1)"},
		{"control = \"/a\"\n" LISTEN "control = \"/a\"",
		 "3: control is set a second time (first at line 1)"},
		{"pool \"a\" { children = 2\n children = 2 }",
		 "2: children is set a second time (first at line 1)"},
		{"pool \"a\" { command = {\"x\"}\n command = {\"y\"} }",
		 "2: command is set a second time (first at line 1)"},
		{"pool \"a\" { command = {\"x\"}\n command = {} }",
		 "2: command is set a second time (first at line 1)"},
		{"pool \"a\" { command = \"x\"\n command = \"x\" }",
		 "2: command is set a second time (first at line 1)"},
		{"limits { }\nlimits { }", "2: limits stands here a second time (first at line 1)"},
		{POOL "\n" POOL, "3: pool \"chat\" stands here a second time (first at line 1)"},
		{LISTEN LISTEN,
		 "2: listen \"127.0.0.1:0\" stands here a second time (first at line 1)"},
		{LISTEN POOL ROUTE ROUTE, "4: route \"/\"" SAME_ROUTE("/", "3")},
		{"listen \"127.0.0.1:80\" {}\nlisten '127.0.0.1:80' {}",
		 "2: listen \"127.0.0.1:80\" stands here a second time (first at line 1)"},
		{"listen \"*:80\" {}\nlisten \"0.0.0.0:80\" {}",
		 "2: listen \"0.0.0.0:80\"" TAKEN("*:80", "1")},
		{"listen \"[::1]:80\" {}\nlisten \"[0::1]:80\" {}",
		 "2: listen \"[0::1]:80\"" TAKEN("[::1]:80", "1")},
		{"control = \"/s\"\nlisten \"unix:/s\" {}",
		 "2: listen \"unix:/s\": this is the path of the control socket"},
		{LISTEN POOL "route \"a.b/x\" { pool = chat }\nroute \"A.b/x\" { pool = chat }",
		 "4: route \"A.b/x\"" SAME_ROUTE("a.b/x", "3")},
		{"pool \"a\" { command = {x}\n environment = {\"A=1\", \"A=2\"} }",
		 "2: pool \"a\": environment sets A twice"},
	};
	check_refused(rows, LENGTH(rows));
}

static void test_config_refuses_listeners_that_cannot_both_be_bound(void **state)
{
	(void)state;
	static const struct {
		const char *first, *second;
		bool clash;
	} rows[] = {
		{"127.0.0.1:80", "*:80", true},       {"*:80", "127.0.0.1:80", true},
		{"0.0.0.0:80", "127.0.0.1:80", true}, {"127.0.0.1:80", "127.0.0.2:80", false},
		{"*:80", "127.0.0.1:81", false},      {"*:0", "127.0.0.1:0", false},
		{"[::]:80", "[::1]:80", true},        {"[::1]:80", "[0::0]:80", true},
		{"[::1]:80", "[::2]:80", false},      {"[::]:0", "[::1]:0", false},
		{"*:80", "[::]:80", false},           {"[::]:80", "127.0.0.1:80", false},
		{"*:80", "unix:/run/x", false},       {"unix:/run/x", "unix:/run/y", false},
	};
	for (size_t i = 0; i < LENGTH(rows); i++) {
		char text[256], error[CONFIG_ERROR_BYTES], expected[CONFIG_ERROR_BYTES] = "";
		snprintf(text, sizeof(text), "listen \"%s\" {}\n\nlisten \"%s\" {}\n" POOL ROUTE,
			 rows[i].first, rows[i].second);
		if (rows[i].clash) {
			snprintf(expected, sizeof(expected), "f:3: listen \"%s\"" TAKEN("%s", "1"),
				 rows[i].second, rows[i].first);
		}
		struct config *config = config_parse("f", text, error);
		if (strcmp(error, expected) != 0) {
			print_error("row %zu: %s\n", i, text);
		}
		assert_string_equal(error, expected);
		assert_int_equal(config == NULL, rows[i].clash);
		config_destroy(config);
	}
}

static void test_config_refuses_bad_values_and_names_the_range(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"\npool \"chat\" {\n children = 0 }",
		 "3: pool \"chat\": children = 0 is out of range (1 to 1000)"},
		{"pool \"chat\" { children = 1001 }",
		 "1: pool \"chat\": children = 1001 is out of range (1 to 1000)"},
		{"pool \"chat\" { children = 010 }",
		 "1: pool \"chat\": children = 010 is not a whole number (1 to 1000, " NOT_WHOLE},
		{"pool \"chat\" { children = -1 }",
		 "1: pool \"chat\": children = -1 is not a whole number (1 to 1000, " NOT_WHOLE},
		{"pool \"chat\" { children = \"\" }",
		 "1: pool \"chat\": children =  is not a whole number (1 to 1000, " NOT_WHOLE},
		{"limits { connections = 99999999999999999999 }",
		 "1: limits: connections = 99999999999999999999 is not a whole number (1 to "
		 "1000000, " NOT_WHOLE},
		{"limits { connections = 1000001 }",
		 "1: limits: connections = 1000001 is out of range (1 to 1000000)"},
		{"limits {\n head_limit = \"32k\" }",
		 "2: limits: head_limit = \"32k\" is out of range (1k to 16k)"},
		{"limits { head_limit = \"1023\" }",
		 "1: limits: head_limit = \"1023\" is out of range (1k to 16k)"},
		{"limits { head_limit = \"16K\" }", "1: limits: head_limit = \"16K\"" NOT_A_SIZE},
		{"limits { address_rate = 20 }", "1: limits: address_rate = \"20\"" NOT_A_RATE},
		{"limits { address_rate = \"0/s\" }",
		 "1: limits: address_rate = \"0/s\"" NOT_A_RATE},
		{"limits {\n address_burst = 5 }",
		 "2: limits: address_burst needs address_rate: how fast may one address connect?"},
		{"limits { head_timeout = \"0s\" }",
		 "1: limits: head_timeout = \"0s\" is out of range (1ms to 5m)"},
		{"limits { head_timeout = 5 }", "1: limits: head_timeout = \"5\"" NOT_A_DURATION},
		{"pool \"a\" { drain_timeout = 25h }",
		 "1: pool \"a\": drain_timeout = \"25h\" is out of range (0ms to 24h)"},
		{"pool \"a\" { send_limit = 2G }",
		 "1: pool \"a\": send_limit = \"2G\" is out of range (1 to 1G)"},
	};
	check_refused(rows, LENGTH(rows));
}

static void test_config_refuses_every_key_beyond_its_range(void **state)
{
	(void)state;
	for (size_t i = 0; i < keys_table_len; i++) {
		const struct keys_entry *key = &keys_table[i];
		if (key->kind > KEYS_SIZE) {
			continue;
		}
		const char *unit = key->kind == KEYS_DURATION ? "ms" : "";
		bool has_title = key->section == KEYS_POOL || key->section == KEYS_ROUTE;
		const char *title = has_title ? "\"a\"" : "";
		const uint64_t values[] = {key->min, key->max, key->max + 1, key->min - 1};
		for (size_t j = 0; j < (key->min > 0 ? 4 : 3); j++) {
			char text[128], error[CONFIG_ERROR_BYTES];
			snprintf(text, sizeof(text), "%s %s { %s = %llu%s }",
				 keys_section_name(key->section), title, key->name,
				 (unsigned long long)values[j], unit);
			assert_null(config_parse("f", text, error));
			bool is_out = strstr(error, "is out of range") != NULL;
			if (is_out != (j >= 2)) {
				print_error("row %zu: %s: %s\n", i, text, error);
			}
			assert_int_equal(is_out, j >= 2);
		}
	}
}

static void test_config_says_what_is_missing(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"", " " NO_LISTENER},
		{"\n# nothing\n", " " NO_LISTENER},
		{LISTEN,
		 " there is no pool; add one, as in: pool \"chat\" { command = {\"baton-chat\"} }"},
		{LISTEN POOL,
		 " there is no route; add one, as in: route \"/\" { pool = \"chat\" }"},
		{LISTEN AUTH POOL,
		 " there is no route; add one, as in: route \"/\" { pool = \"chat\" }"},
		{LISTEN AUTH, " there is no route"},
		{LISTEN "pool \"a\" {}", "2: pool \"a\": " NO_COMMAND},
		{"pool \"a\" {\n command = {} }", "2: pool \"a\": " NO_COMMAND},
		{"pool \"a\" {\n command = {\"\", \"x\"} }", "2: pool \"a\": " NO_COMMAND},
		{LISTEN POOL "route \"/x\" {}",
		 "3: route \"/x\": pool is missing: which pool serves it?"},
		{"control = \"\"", "1: control is empty: leave it out or fill it in"},
		{"pool \"a\" { command = {x} slow_client = wait }",
		 "1: pool \"a\": slow_client = \"wait\" is none of \"close\", \"skip\""},
		{"pool \"a\" { command = {x} kind = jwt }",
		 "1: pool \"a\": kind = \"jwt\" is none of \"socket\", \"auth\""},
		{"pool \"a\" { command = {x} directory = \"\" }",
		 "1: pool \"a\": directory is empty: leave it out or fill it in"},
	};
	check_refused(rows, LENGTH(rows));
}

static void test_config_refuses_bad_listeners(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"listen \"localhost:80\" {}", "1: listen \"localhost:80\"" NOT_AN_ADDRESS},
		{"listen \"127.0.0.1\" {}", "1: listen \"127.0.0.1\"" NOT_AN_ADDRESS},
		{"listen \"127.0.0.1:65536\" {}", "1: listen \"127.0.0.1:65536\"" NEEDS_PORT},
		{"listen \"unix:\" {}",
		 "1: listen \"unix:\" needs an absolute path (one that begins with '/')"},
		{"listen \"unix:run/x\" {}",
		 "1: listen \"unix:run/x\" needs an absolute path (one that begins with '/')"},
		{"listen \"127.0.0.1:80\" {\n mode = \"0660\" }",
		 "2: listen \"127.0.0.1:80\": mode is for Unix sockets; this is none"},
		{"listen \"unix:/x\" { mode = \"999\" }",
		 "1: listen \"unix:/x\": mode = \"999\" is not a mode: three octal digits, "
		 "as in \"0660\""},
		{"listen \"127.0.0.1:80\" { health = \"healthz\" }",
		 "1: listen \"127.0.0.1:80\": health = \"healthz\" is not a path as in "
		 "\"/healthz\""},
		{"control = \"x.sock\"",
		 "1: control = \"x.sock\" needs an absolute path (one that begins with '/')"},
	};
	check_refused(rows, LENGTH(rows));
}

#define NOT_A_RANGE                                                                            \
	": write an address as in \"192.0.2.1\" or \"::1\", a range as in \"10.0.0.0/8\", or " \
	"\"unix\""
#define HOST_BITS ", with bits beyond its prefix: write "

static void test_config_refuses_bad_proxies(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"listen \"127.0.0.1:80\" {\n proxy = yes }",
		 "2: listen \"127.0.0.1:80\": proxy = \"yes\" is neither true nor false"},
		{"listen \"127.0.0.1:80\" {\n trusted_proxies = {\"::1\", \"localhost\"} }",
		 "2: listen \"127.0.0.1:80\": trusted_proxies has \"localhost\"" NOT_A_RANGE},
		{"listen \"127.0.0.1:80\" { trusted_proxies = {\"\"} }",
		 "1: listen \"127.0.0.1:80\": trusted_proxies has \"\"" NOT_A_RANGE},
		{"listen \"127.0.0.1:80\" { trusted_proxies = {\"10.0.0.0/33\"} }",
		 "1: listen \"127.0.0.1:80\": trusted_proxies has \"10.0.0.0/33\"" NOT_A_RANGE},
		{"listen \"127.0.0.1:80\" { trusted_proxies = {\"10.0.0.1/8\"} }",
		 "1: listen \"127.0.0.1:80\": trusted_proxies has \"10.0.0.1/8\"" HOST_BITS
		 "\"10.0.0.0/8\", or \"10.0.0.1\" for that one address"},
		{"listen \"127.0.0.1:80\" { trusted_proxies = {\"2001:db8::1/32\"} }",
		 "1: listen \"127.0.0.1:80\": trusted_proxies has \"2001:db8::1/32\"" HOST_BITS
		 "\"2001:db8::/32\", or \"2001:db8::1\" for that one address"},
		{"listen \"127.0.0.1:80\" {\n client_header = Forwarded }",
		 "2: listen \"127.0.0.1:80\": client_header is believed from trusted_proxies alone, "
		 "and there are none"},
		{"listen \"127.0.0.1:80\" { trusted_proxies = {\"::1\"} client_header = Via }",
		 "1: listen \"127.0.0.1:80\": client_header = \"Via\" is none of "
		 "\"X-Forwarded-For\", \"Forwarded\", \"X-Real-IP\""},
		{"limits { proxy_timeout = 5 }", "1: limits: proxy_timeout = \"5\"" NOT_A_DURATION},
	};
	check_refused(rows, LENGTH(rows));
}

static void test_config_refuses_bad_pools(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"pool \"\" { command = {x} }", "1: pool \"\":" BAD_NAME},
		{"pool \"a b\" { command = {x} }", "1: pool \"a b\":" BAD_NAME},
		{"pool \"a\\nb\" { command = {x} }", "1: pool \"a?b\":" BAD_NAME},
		{"pool \"a\" {\n command = \"echo --who\" }",
		 "2: pool \"a\": command: \"echo --who\"" BLANK_PROGRAM "\"echo\", \"--who\"}"},
		{"pool \"a\" { command = {\"echo\\t'a b'  c\", \"d\"} }",
		 "1: pool \"a\": command: \"echo?'a b'  c\"" BLANK_PROGRAM
		 "\"echo\", \"a b\", \"c\", ...}"},
		{"pool \"a\" { command = {\"baton-static /srv\"} }",
		 "1: pool \"a\": command: \"baton-static /srv\"" BLANK_PROGRAM
		 "\"baton-static\", \"/srv\"}"},
		{"pool \"a\" { command = \"echo 'a\" }",
		 "1: pool \"a\": command: \"echo 'a\"" BLANK_PROGRAM "\"program\", \"argument\"}"},
		{"pool \"a\" { command = {\" \", \"x\"} }", "1: pool \"a\": " NO_COMMAND},
		{"pool \"a\" { command = {x} environment = {\"A\"} }",
		 "1: pool \"a\": environment has \"A\": it must be NAME=VALUE"},
		{"pool \"a\" { command = {x}\n user = \"no-such-user\" }",
		 "2: pool \"a\": there is no user \"no-such-user\""},
		{"pool \"a\" { command = {x}\n group = \"no-such-group\" }",
		 "2: pool \"a\": there is no group \"no-such-group\""},
	};
	check_refused(rows, LENGTH(rows));
}

static void test_config_takes_blanks_in_paths_and_arguments(void **state)
{
	(void)state;
	struct config *config = config_of(
		LISTEN "pool \"chat\" { command = {\"/srv/my chat/run\", \"a b\"} }\n" ROUTE);
	assert_string_equal(config->pools[0].command[0], "/srv/my chat/run");
	config_destroy(config);
}

static void test_config_refuses_bad_routes(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{LISTEN POOL "route \"/x\" {\n pool = \"chta\" }",
		 "4: route \"/x\": pool = \"chta\": there is no such pool (did you mean "
		 "\"chat\"?)"},
		{LISTEN POOL "route \"/x\" { pool = \"files\" }",
		 "3: route \"/x\": pool = \"files\": there is no such pool"},
		{LISTEN POOL AUTH "route \"/x\" { pool = \"chat\"\n auth = \"tokesn\" }",
		 "5: route \"/x\": auth = \"tokesn\": there is no such pool (did you mean "
		 "\"tokens\"?)"},
		{LISTEN POOL "route \"/x\" { pool = \"chat\"\n auth = \"chat\" }",
		 "4: route \"/x\": auth names pool \"chat\", which answers no questions; if it is "
		 "to, give it kind = \"auth\""},
		{LISTEN POOL AUTH "route \"/x\" {\n pool = \"tokens\" }",
		 "5: route \"/x\": pool \"tokens\" is of kind \"auth\" and takes no connections; "
		 "did you mean auth = \"tokens\"?"},
		{LISTEN POOL "route \"chat\" { pool = \"chat\" }",
		 "3: route \"chat\": there is no path: write \"/path\" or \"host/path\" (\"/\" is "
		 "all paths)"},
		{LISTEN POOL "route \"/chat/\" { pool = \"chat\" }",
		 "3: route \"/chat/\": leave out the '/' at the end; "
		 "\"/chat\" covers itself and all that is below it"},
		{LISTEN POOL "route \"/a?b\" { pool = \"chat\" }", "3: route \"/a?b\"" NOT_A_PATH},
		{LISTEN POOL "route \"/a#b\" { pool = \"chat\" }", "3: route \"/a#b\"" NOT_A_PATH},
		{LISTEN POOL "route \"/a/*\" { pool = \"chat\" }",
		 "3: route \"/a/*\"" NO_STAR("/a")},
		{LISTEN POOL "route \"/a*/b/*\" { pool = \"chat\" }",
		 "3: route \"/a*/b/*\"" NO_STAR("/a")},
		{LISTEN POOL "route \"/*\" { pool = \"chat\" }", "3: route \"/*\"" NO_STAR("/")},
		{LISTEN POOL "route \"*.b/*\" { pool = \"chat\" }",
		 "3: route \"*.b/*\"" NO_STAR("*.b/")},
		{LISTEN POOL "route \"/a/*\" { pool = \"chat\" exact = true }",
		 "3: route \"/a/*\"" NO_STAR("/a") " and without exact"},
		{LISTEN POOL "route \"/a b\" { pool = \"chat\" }", "3: route \"/a b\"" NOT_A_PATH},
		{LISTEN POOL "route \"/a%2\" { pool = \"chat\" }", "3: route \"/a%2\"" NOT_A_PATH},
		{LISTEN POOL "route \"/\xc3\xa4\" { pool = \"chat\" }",
		 "3: route \"/\xc3\xa4\"" NOT_A_PATH},
		{LISTEN POOL "route \"/a/../b\" { pool = \"chat\" }",
		 "3: route \"/a/../b\"" NOT_A_PATH},
		{LISTEN POOL "route \"/%7Ea\" { pool = \"chat\" }",
		 "3: route \"/%7Ea\": letters, digits, '-', '.', '_' and '~' are written "
		 "plain, not as %XX"},
		{LISTEN POOL "route \"a.b:80/x\" { pool = \"chat\" }",
		 "3: route \"a.b:80/x\": \"a.b:80\"" NOT_A_HOST},
		{LISTEN POOL "route \"*/x\" { pool = \"chat\" }",
		 "3: route \"*/x\": \"*\"" NOT_A_HOST},
		{LISTEN POOL "route \"1.2.3.400/x\" { pool = \"chat\" }",
		 "3: route \"1.2.3.400/x\": \"1.2.3.400\"" NOT_A_HOST},
		{LISTEN POOL "route \"[::1]:80/x\" { pool = \"chat\" }",
		 "3: route \"[::1]:80/x\": \"[::1]:80\"" NOT_A_HOST},
		{LISTEN POOL "route \"a+b/x\" { pool = \"chat\" }",
		 "3: route \"a+b/x\": \"a+b\"" NOT_A_HOST},
		{LISTEN POOL "route \"*./x\" { pool = \"chat\" }",
		 "3: route \"*./x\": \"*.\"" NOT_A_HOST},
		{LISTEN POOL "route \"a.*.b/x\" { pool = \"chat\" }",
		 "3: route \"a.*.b/x\": \"a.*.b\"" NOT_A_HOST},
		{LISTEN POOL "route \"*.[::1]/x\" { pool = \"chat\" }",
		 "3: route \"*.[::1]/x\": \"*.[::1]\"" NOT_A_HOST},
		{LISTEN POOL "route \"/\" { pool = \"chat\"\n hash = \"header:x_forwarded_for\" }",
		 "4: route \"/\": hash = \"header:x_forwarded_for\": a stranger may write that "
		 "field as he likes; of the client that a trusted proxy names, \"ip\" is what you "
		 "want"},
		{LISTEN POOL "route \"/\" { pool = \"chat\"\n hash = \"room\" }",
		 "4: route \"/\": hash = \"room\" is none of "
		 "\"ip\", \"path\", \"header:NAME\", \"cookie:NAME\", \"query:NAME\""},
		{LISTEN POOL
		 "route \"/\" { pool = \"chat\"\n origins = {\"https://a\", \"example.org\"} }",
		 "4: route \"/\": origin \"example.org\" is neither \"*\" nor "
		 "scheme://host[:port], "
		 "as in \"https://example.org\""},
		{LISTEN POOL
		 "route \"/\" { pool = \"chat\"\n origins = {\"https://*.example.org\"} }",
		 "4: route \"/\": origin \"https://*.example.org\"" NO_WILDCARDS},
		{LISTEN POOL "route \"/\" { pool = \"chat\"\n origins = {\"*\", \"*.a\"} }",
		 "4: route \"/\": origin \"*.a\"" NO_WILDCARDS},
		{LISTEN POOL "route \"/\" { pool = \"chat\"\n listen = {\"127.0.0.1:1\"} }",
		 "4: route \"/\": listen = \"127.0.0.1:1\": there is no such listener "
		 "(did you mean \"127.0.0.1:0\"?)"},
		{LISTEN POOL "route \"/\" { pool = \"chat\"\n listen = {} }",
		 "4: route \"/\": listen is empty: nobody could reach the route"},
		{LISTEN POOL "route \"/\" { pool = \"chat\"\n http = yes }",
		 "4: route \"/\": http = \"yes\" is neither true nor false"},
		{LISTEN POOL "route \"/\" { pool = \"chat\"\n refuse_as = code }",
		 "4: route \"/\": refuse_as = \"code\" is none of \"status\", \"close\""},
		{LISTEN POOL "route \"/\" { pool = \"chat\"\n http = TRUE }",
		 "4: route \"/\": http = \"TRUE\" is neither true nor false"},
	};
	check_refused(rows, LENGTH(rows));
}

static void test_config_refuses_bad_conditions(void **state)
{
	(void)state;
	static const struct {
		const char *key, *why;
	} rows[] = {
		{"subprotocol = \"\"", "subprotocol is empty: leave it out or fill it in"},
		{"subprotocol = \"a, b\"",
		 "subprotocol: \"a, b\" is not the name of one: letters, digits and "
		 "!#$%&'*+-.^_`|~"},
		{"query = {\"\"}", "query: \"\"" NOT_A_PAIR},
		{"query = {\"=2\"}", "query: \"=2\"" NOT_A_PAIR},
		{"query = {\"a\", \"a=1&b\"}", "query: \"a=1&b\"" NOT_A_PAIR},
		{"query = {\"a=b c\"}", "query: \"a=b c\"" NOT_A_PAIR},
		{"query = {\"a#\"}", "query: \"a#\"" NOT_A_PAIR},
		{"query = {\"a=%2\"}", "query: \"a=%2\"" NOT_A_PAIR},
		{"query = {\"a=%41\"}", "query: \"a=%41\" has a letter, digit, '-', '.', '_' or "
					"'~' as %XX: write it plain"},
		{"query = {\"a\", \"b\", \"a\"}", "query: \"a\" stands there twice"},
		{"headers = {\"\"}", "headers: \"\"" NOT_A_HEADER},
		{"headers = {\"X A\"}", "headers: \"X A\"" NOT_A_HEADER},
		{"headers = {\": a\"}", "headers: \": a\"" NOT_A_HEADER},
		{"headers = {\"X:a\"}", "headers: \"X:a\"" NOT_A_HEADER},
		{"headers = {\"X:\"}", "headers: \"X:\"" NOT_A_HEADER},
		{"headers = {\"X: \"}", "headers: \"X: \"" NOT_A_HEADER},
		{"headers = {\"X:  a\"}", "headers: \"X:  a\"" NOT_A_HEADER},
		{"headers = {\"X: a \"}", "headers: \"X: a \"" NOT_A_HEADER},
		{"headers = {\"X: a\\nb\"}", "headers: \"X: a?b\"" NOT_A_HEADER},
		{"headers = {\"X: a\", \"x: a\"}", "headers: \"x: a\" stands there twice"},
		{"headers = {\"X-Forwarded-For: 10.0.0.1\"}",
		 "headers: \"X-Forwarded-For: 10.0.0.1\"" WITHHELD},
		{"headers = {\"X_Forwarded-Host\"}", "headers: \"X_Forwarded-Host\"" WITHHELD},
		{"headers = {\"Forwarded\"}", "headers: \"Forwarded\"" WITHHELD},
		{"headers = {\"X-Real-IP\"}", "headers: \"X-Real-IP\"" WITHHELD},
		{"headers = {\"Host: a\"}", "headers: \"Host: a\"" WITHHELD},
		{"headers = {\"TE\"}", "headers: \"TE\"" WITHHELD},
	};
	for (size_t i = 0; i < LENGTH(rows); i++) {
		char text[256], error[CONFIG_ERROR_BYTES];
		snprintf(text, sizeof(text), "%s%sroute \"/\" { pool = chat\n%s }", LISTEN, POOL,
			 rows[i].key);
		snprintf(error, sizeof(error), "4: route \"/\": %s", rows[i].why);
		const struct row row = {text, error};
		check_refused(&row, 1);
	}
}

static void test_config_refuses_routes_that_fit_the_same_requests(void **state)
{
	(void)state;
	static const struct {
		const char *first, *second;
		bool is_refused;
	} rows[] = {
		{"", "", true},
		{"exact = true", "exact = true", true},
		{"exact = true", "", false},
		{"subprotocol = a", "subprotocol = a", true},
		{"subprotocol = a", "subprotocol = A", false},
		{"subprotocol = a", "", false},
		{"query = {\"a\", \"b=1\"}", "query = {\"b=1\", \"a\"}", true},
		{"query = {\"a\"}", "query = {\"a=\"}", false},
		{"query = {\"a\"}", "query = {\"a\", \"b\"}", false},
		{"query = {\"a\", \"b\"}", "query = {\"a\"}", false},
		{"query = {}", "", true},
		{"headers = {\"X-A: v\"}", "headers = {\"x-a: v\"}", true},
		{"headers = {\"X-A: v\"}", "headers = {\"X-A: V\"}", false},
		{"headers = {\"X-A\"}", "query = {\"X-A\"}", false},
		{"hash = ip", "hash = path", true},
		{"listen = {\"127.0.0.1:0\"}", "listen = {\"127.0.0.1:1\"}", false},
		{"listen = {\"127.0.0.1:0\"}", "", true},
	};
	for (size_t i = 0; i < LENGTH(rows); i++) {
		char text[512], error[CONFIG_ERROR_BYTES];
		snprintf(text, sizeof(text),
			 "listen \"127.0.0.1:1\" {}" LISTEN POOL
			 "route \"/\" { pool = chat %s }\nroute \"/\" { pool = chat %s }\n",
			 rows[i].first, rows[i].second);
		struct config *config = config_parse("f", text, error);
		if ((config == NULL) != rows[i].is_refused) {
			print_error("row %zu: %s: %s\n", i, text, error);
		}
		assert_int_equal(config == NULL, rows[i].is_refused);
		if (rows[i].is_refused) {
			assert_string_equal(error, "f:4: route \"/\"" SAME_ROUTE("/", "3"));
		}
		config_destroy(config);
	}
}

static void test_config_replaces_variables_and_refuses_unset_ones(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"\ncontrol = \"/x/${BATON_TEST_UNSET}\"",
		 "2: the environment has no variable \"BATON_TEST_UNSET\" (write "
		 "${BATON_TEST_UNSET:-} "
		 "where it may be missing)"},
		{"control = \"/${}\"",
		 "1: the environment has no variable \"\" (write ${:-} where it may be missing)"},
		{"control = \"/${A:b:-c}\"",
		 "1: the environment has no variable \"A:b:-c\" (write ${A:b:-c:-} where it "
		 "may be missing)"},
		{"control = \"/${A\" }",
		 "1: \"${\" without its '}' (write \\${ for the characters alone)"},
		{"control = ${HOME}", "1: unexpected '$'" NEEDS_QUOTES},
	};
	unsetenv("BATON_TEST_UNSET");
	check_refused(rows, LENGTH(rows));
	setenv("BATON_TEST_SET", "/run/b", 1);
	struct config *config = config_of(
		"control = \"${BATON_TEST_SET}/${BATON_TEST_UNSET:-c}.sock\"\n" LISTEN POOL ROUTE);
	assert_string_equal(config->control, "/run/b/c.sock");
	config_destroy(config);
	config = config_of("control = '/${BATON_TEST_UNSET}'\n" LISTEN POOL ROUTE);
	assert_string_equal(config->control, "/${BATON_TEST_UNSET}");
	config_destroy(config);
	config = config_of("control = \"/\\${BATON_TEST_UNSET}\"\n" LISTEN POOL ROUTE);
	assert_string_equal(config->control, "/${BATON_TEST_UNSET}");
	config_destroy(config);
	unsetenv("BATON_TEST_SET");
}

static void test_config_gives_defaults(void **state)
{
	(void)state;
	struct config *config = config_of(LISTEN POOL ROUTE);
	assert_string_equal(config->control, config_default_control());
	assert_int_equal(config->max_connections, 100000);
	assert_int_equal(config->proxy_timeout_ms, 5000);
	assert_int_equal(config->head_timeout_ms, 5000);
	assert_int_equal(config->head_limit_bytes, 16384);
	assert_int_equal(config->linger_timeout_ms, 2000);
	assert_int_equal(config->address_connections, 0);
	assert_int_equal(config->address_interval_us, 0);
	assert_int_equal(config->address_burst, 20);
	assert_int_equal(config->listener_count, 1);
	assert_string_equal(config->listeners[0].name, "127.0.0.1:0");
	assert_int_equal(config->listeners[0].mode, 0660);
	assert_null(config->listeners[0].health);
	assert_false(config->listeners[0].proxy);
	assert_int_equal(config->listeners[0].forwarded.trusted_count, 0);
	assert_int_equal(config->listeners[0].forwarded.header, FORWARDED_X_FORWARDED_FOR);
	assert_int_equal(config->pool_count, 1);
	const struct config_pool *pool = &config->pools[0];
	assert_string_equal(pool->name, "chat");
	assert_int_equal(pool->kind, CONFIG_KIND_SOCKET);
	assert_string_equal(pool->command[0], "chat");
	assert_null(pool->command[1]);
	assert_int_equal(pool->children, 2);
	assert_int_equal(pool->capacity, 15000);
	assert_int_equal(pool->queue, 4096);
	assert_int_equal(pool->queue_timeout_ms, 5000);
	assert_int_equal(pool->start_timeout_ms, 10000);
	assert_int_equal(pool->offer_timeout_ms, 50);
	assert_int_equal(pool->handover_timeout_ms, 5000);
	assert_int_equal(pool->ping_interval_ms, 5000);
	assert_int_equal(pool->ping_timeout_ms, 20000);
	assert_int_equal(pool->drain_timeout_ms, 30000);
	assert_int_equal(pool->stop_timeout_ms, 5000);
	assert_int_equal(pool->message_limit_bytes, 1048576);
	assert_int_equal(pool->send_limit_bytes, 1048576);
	assert_int_equal(pool->slow_client, CONFIG_SLOW_CLOSE);
	assert_int_equal(pool->keepalive_ms, 25000);
	assert_false(pool->deflate);
	assert_int_equal(pool->deflate_level, 6);
	assert_false(pool->deflate_takeover);
	assert_null(pool->directory);
	assert_null(pool->user);
	assert_null(pool->group);
	assert_null(pool->environment[0]);
	const struct config_route *route = &config->routes[0];
	assert_string_equal(route->name, "/");
	assert_null(route->host);
	assert_string_equal(route->path, "/");
	assert_int_equal(route->pool, 0);
	assert_false(route->has_auth);
	assert_int_equal(route->hash, CONFIG_HASH_NONE);
	assert_null(route->hash_key);
	assert_int_equal(route->connections, 0);
	assert_int_equal(route->refuse_as, CONFIG_REFUSE_STATUS);
	assert_int_equal(route->origin_count, 0);
	assert_null(route->origins[0]);
	assert_false(route->http);
	assert_false(route->exact);
	assert_null(route->subprotocol);
	assert_null(route->query[0]);
	assert_null(route->headers[0]);
	assert_int_equal(route->written->line, 3);
	assert_true(route->listeners[0]);
	config_destroy(config);
}

static void test_config_reads_what_is_written(void **state)
{
	(void)state;
	struct config *config = config_of(
		"control = \"/run/c.sock\" // where\n"
		"limits { connections = 7 head_timeout = \"1m\" head_limit = 2k "
		"linger_timeout = 10ms proxy_timeout = 3s\n"
		"  address_connections = 8 address_rate = \"30/m\" address_burst = 9 }\r\n"
		"/* two\n * lines */ listen \"127.0.0.1:8080\" { health = \"/healthz\" } /* "
		"one */\n"
		"listen \"unix:/run/w.sock\" { mode = 0600 proxy = true\n"
		"  trusted_proxies = {unix, \"10.0.0.0/8\"} client_header = x-real-ip }\n"
		"pool \"a\" { kind = \"auth\" command = {\"a\"} }\n"
		"pool \"b\" { command = {\"b\", \"x y\", \"\",} children = 3 capacity = 4 "
		"queue = 0\n"
		"  keepalive = 0s slow_client = skip\n"
		"  deflate = true deflate_level = 1 deflate_takeover = true\n"
		"  drain_timeout = \"0s\" message_limit = \"64k\" directory = '/srv/#x' "
		"user = root\n"
		"  group = root environment = {\"A=b\", \"C=\"} }\n"
		"route \"Example.ORG/chat\" { pool = b hash = \"query:room\"\n"
		"  origins = {\"https://x\", \"*\"} listen = {\"unix:/run/w.sock\"}\n"
		"  http = true exact = true subprotocol = \"a.1\" connections = 5 "
		"refuse_as = close\n"
		"  query = {\"v=2\"} headers = {\"X-Tenant: A\", \"B\"} auth = a }\n");
	assert_string_equal(config->control, "/run/c.sock");
	assert_int_equal(config->max_connections, 7);
	assert_int_equal(config->head_timeout_ms, 60000);
	assert_int_equal(config->head_limit_bytes, 2048);
	assert_int_equal(config->linger_timeout_ms, 10);
	assert_int_equal(config->address_connections, 8);
	assert_int_equal(config->address_interval_us, 2000000);
	assert_int_equal(config->address_burst, 9);
	assert_int_equal(config->listener_count, 2);
	assert_string_equal(config->listeners[0].health, "/healthz");
	assert_int_equal(ntohs(((struct sockaddr_in *)&config->listeners[0].address)->sin_port),
			 8080);
	assert_int_equal(config->listeners[1].mode, 0600);
	assert_true(config->listeners[1].proxy);
	const struct forwarded_rule *rule = &config->listeners[1].forwarded;
	assert_int_equal(rule->trusted_count, 2);
	assert_int_equal(rule->trusted[0].first.family, ADDRESS_UNIX);
	assert_int_equal(rule->trusted[1].bits, 8);
	assert_int_equal(rule->header, FORWARDED_X_REAL_IP);
	assert_int_equal(config->proxy_timeout_ms, 3000);
	assert_int_equal(config->pool_count, 2);
	const struct config_pool *pool = &config->pools[1];
	assert_int_equal(config->pools[0].kind, CONFIG_KIND_AUTH);
	assert_int_equal(pool->kind, CONFIG_KIND_SOCKET);
	assert_int_equal(pool->keepalive_ms, 0);
	assert_true(pool->deflate);
	assert_int_equal(pool->deflate_level, 1);
	assert_true(pool->deflate_takeover);
	assert_int_equal(pool->slow_client, CONFIG_SLOW_SKIP);
	assert_string_equal(pool->command[1], "x y");
	assert_string_equal(pool->command[2], "");
	assert_null(pool->command[3]);
	assert_int_equal(pool->children, 3);
	assert_int_equal(pool->capacity, 4);
	assert_int_equal(pool->queue, 0);
	assert_int_equal(pool->drain_timeout_ms, 0);
	assert_int_equal(pool->message_limit_bytes, 65536);
	assert_string_equal(pool->directory, "/srv/#x");
	assert_string_equal(pool->user, "root");
	assert_string_equal(pool->environment[1], "C=");
	assert_null(pool->environment[2]);
	const struct config_route *route = &config->routes[0];
	assert_string_equal(route->name, "Example.ORG/chat");
	assert_string_equal(route->host, "example.org");
	assert_string_equal(route->path, "/chat");
	assert_int_equal(route->pool, 1);
	assert_true(route->has_auth);
	assert_int_equal(route->auth, 0);
	assert_int_equal(route->connections, 5);
	assert_int_equal(route->refuse_as, CONFIG_REFUSE_CLOSE);
	assert_int_equal(route->hash, CONFIG_HASH_QUERY);
	assert_string_equal(route->hash_key, "room");
	assert_int_equal(route->origin_count, 2);
	assert_string_equal(route->origins[1], "*");
	assert_true(route->http);
	assert_true(route->exact);
	assert_string_equal(route->subprotocol, "a.1");
	assert_string_equal(route->query[0], "v=2");
	assert_string_equal(route->headers[0], "x-tenant: A");
	assert_string_equal(route->headers[1], "b");
	assert_false(route->listeners[0]);
	assert_true(route->listeners[1]);
	config_destroy(config);
}

static void test_config_sorts_routes_in_matching_order(void **state)
{
	(void)state;
	static const char *const expected[] = {
		"a/long", "b/long",  "b/x",     "a/",      "*.long.b/", "*.b/x", "*.a/", "/chat#3",
		"/",      "/chat/x", "/chat#2", "/chat#4", "/chat",     "/file", "/#2"};
	struct config *config = config_of(
		LISTEN POOL "route \"/\" { pool = chat exact = true }\n"
			    "route \"/chat\" { pool = chat } route \"*.a/\" { pool = chat }\n"
			    "route \"a/long\" { pool = chat } route \"b/x\" { pool = chat }\n"
			    "route \"/chat/x\" { pool = chat } route \"a/\" { pool = chat }\n"
			    "route \"b/long\" { pool = chat } route \"/file\" { pool = chat }\n"
			    "route \"/chat\" { pool = chat query = {\"a\", \"b\"} }\n"
			    "route \"*.long.b/\" { pool = chat } route \"*.b/x\" { pool = chat }\n"
			    "route \"/chat\" { pool = chat exact = true }\n"
			    "route \"/chat\" { pool = chat subprotocol = a }\n"
			    "route \"/\" { pool = chat }\n");
	assert_int_equal(config->route_count, LENGTH(expected));
	for (size_t i = 0; i < LENGTH(expected); i++) {
		assert_string_equal(config->routes[i].name, expected[i]);
	}
	config_destroy(config);
}

static void test_config_parses_again_after_every_truncation(void **state)
{
	(void)state;
	static const char whole[] =
		"control = \"/c\" # x\n/* y */ limits { connections = 5 }\n" LISTEN
		"pool 'chat' { command = {\"a\\\"\", 'b'} }\n" ROUTE;
	char text[sizeof(whole)], error[CONFIG_ERROR_BYTES];
	for (size_t len = 0; len < sizeof(whole) - 2; len++) {
		memcpy(text, whole, len);
		text[len] = '\0';
		struct config *config = config_parse("f", text, error);
		if (config != NULL) {
			print_error("row %zu: %s\n", len, text);
		}
		assert_null(config);
		assert_true(strncmp(error, "f:", 2) == 0);
		/* A reload after a broken one: libconfuse's lexer is one for the process. */
		config_destroy(config_of(whole));
	}
}

static void test_config_survives_every_byte_in_every_place(void **state)
{
	(void)state;
	static const char whole[] =
		"control='/c'\nlisten\"*:0\"{}pool\"a\"{command={b}}route\"/\"{pool=a}";
	static const char bytes[] = "\"'{}=,;#/*$\\\n x0\x01\xff";
	char text[sizeof(whole)], error[CONFIG_ERROR_BYTES];
	for (size_t at = 0; at < sizeof(whole) - 1; at++) {
		for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
			memcpy(text, whole, sizeof(whole));
			text[at] = bytes[i];
			struct config *config = config_parse("f", text, error);
			assert_true(config != NULL || error[0] != '\0');
			config_destroy(config);
		}
	}
	config_destroy(config_of(whole));
}

static void check_file(const char *content, size_t len, const char *expected)
{
	char path[] = "/tmp/baton-test-XXXXXX", error[CONFIG_ERROR_BYTES], line[CONFIG_ERROR_BYTES];
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, len), len);
	close(fd);
	struct config *config = config_load(path, error);
	unlink(path);
	snprintf(line, sizeof(line), "%s:%s", path, expected != NULL ? expected : "");
	if (expected == NULL) {
		assert_non_null(config);
	} else {
		assert_null(config);
		assert_string_equal(error, line);
	}
	config_destroy(config);
}

static void test_config_load_reads_files_and_says_why_not(void **state)
{
	(void)state;
	char error[CONFIG_ERROR_BYTES];
	static const char good[] = LISTEN POOL ROUTE;
	static const char nul[] = "control = \"/a\"\n\0\n" LISTEN POOL ROUTE;
	check_file(good, sizeof(good) - 1, NULL);
	check_file(nul, sizeof(nul) - 1, "2: a NUL byte: this is not a text file");
	char *large = malloc(1048577);
	assert_non_null(large);
	memset(large, '\n', 1048577);
	memcpy(large, good, sizeof(good) - 1);
	check_file(large, 1048576, NULL);
	check_file(large, 1048577, " is larger than 1 MiB: this is no configuration");
	free(large);
	assert_null(config_load("/proc/no-such-file", error));
	assert_string_equal(
		error, "/proc/no-such-file: cannot read the configuration: No such file or directory");
	assert_null(config_load("/", error));
	assert_string_equal(error, "/: cannot read the configuration: Is a directory");
}

static void test_config_from_child_makes_the_smallest_configuration(void **state)
{
	(void)state;
	char error[CONFIG_ERROR_BYTES];
	struct config *config = config_from_child("127.0.0.1", 8080, "./c 'a b' $HOME", error);
	assert_non_null(config);
	assert_string_equal(config->listeners[0].name, "127.0.0.1:8080");
	assert_string_equal(config->pools[0].name, "child");
	assert_int_equal(config->pools[0].children, 2);
	assert_string_equal(config->pools[0].command[1], "a b");
	assert_string_equal(config->pools[0].command[2], "$HOME");
	assert_string_equal(config->routes[0].path, "/");
	assert_true(config->routes[0].listeners[0]);
	config_destroy(config);
	config = config_from_child("::1", 0, "c", error);
	assert_non_null(config);
	assert_string_equal(config->listeners[0].name, "[::1]:0");
	config_destroy(config);
	assert_null(config_from_child("127.0.0.1", 80, "c 'd", error));
	assert_string_equal(
		error,
		"command line: --child c 'd: a quote is not closed, or '\\' is the last character");
	assert_null(config_from_child("localhost", 80, "c", error));
	assert_string_equal(error, "command line: listen \"localhost:80\"" NOT_AN_ADDRESS);
	assert_null(config_from_child("127.0.0.1", 65536, "c", error));
	assert_string_equal(error, "command line: listen \"127.0.0.1:65536\"" NEEDS_PORT);
	assert_null(config_from_child("127.0.0.1", 80, " ", error));
	assert_string_equal(error, "command line: pool \"child\": " NO_COMMAND);
}

static char *read_docs(void)
{
	char *text = calloc(1, 65536);
	FILE *file = fopen(BATON_DOCS_DIR "/configuration.md", "r");
	assert_non_null(file);
	assert_non_null(text);
	size_t len = fread(text, 1, 65535, file);
	fclose(file);
	assert_in_range(len, 1, 65534);
	return text;
}

/* Copies the row "| `name` | ... |" that stands under the heading of that section. */
static void find_row(const char *docs, const struct keys_entry *key, char row[1024])
{
	char heading[64], start[64];
	const char *name = key->section == KEYS_TOP ? "Top level" : keys_section_name(key->section);
	snprintf(heading, sizeof(heading), "\n## %s", name);
	snprintf(start, sizeof(start), "\n| `%s` |", key->name);
	const char *section = strstr(docs, heading);
	if (section == NULL) {
		print_error("no heading: %s\n", heading);
	}
	assert_non_null(section);
	const char *end = strstr(section + 1, "\n## ");
	const char *at = strstr(section, start);
	if (at == NULL || (end != NULL && at > end)) {
		print_error("no row: %s\n", start);
	}
	assert_non_null(at);
	assert_true(end == NULL || at < end);
	size_t len = strcspn(at + 1, "\n");
	assert_in_range(len, 1, 1023);
	memcpy(row, at + 1, len);
	row[len] = '\0';
}

static void assert_row_has(const char *row, const char *part)
{
	if (strstr(row, part) == NULL) {
		print_error("\"%s\" is not in: %s\n", part, row);
	}
	assert_non_null(strstr(row, part));
}

static void test_config_documentation_has_every_key_default_and_range(void **state)
{
	(void)state;
	char *docs = read_docs();
	for (size_t i = 0; i < keys_table_len; i++) {
		const struct keys_entry *key = &keys_table[i];
		char row[1024], part[128], min[VALUES_TEXT_BYTES], max[VALUES_TEXT_BYTES];
		find_row(docs, key, row);
		if (key->fallback != NULL) {
			snprintf(part, sizeof(part), " | `%s` | ", key->fallback);
			assert_row_has(row, part);
		}
		if (key->kind > KEYS_SIZE) {
			continue;
		}
		bool is_duration = key->kind == KEYS_DURATION;
		(is_duration ? values_write_duration : values_write_size)(key->min, min);
		(is_duration ? values_write_duration : values_write_size)(key->max, max);
		if (key->kind == KEYS_COUNT) {
			snprintf(min, sizeof(min), "%llu", (unsigned long long)key->min);
			snprintf(max, sizeof(max), "%llu", (unsigned long long)key->max);
		}
		snprintf(part, sizeof(part), "| %s to %s |", min, max);
		assert_row_has(row, part);
	}
	free(docs);
}

static void test_config_documentation_examples_are_valid(void **state)
{
	(void)state;
	char *docs = read_docs();
	unsigned examples = 0;
	for (char *at = strstr(docs, "\n```\n"); at != NULL; at = strstr(at, "\n```\n")) {
		at += 5;
		char *end = strstr(at, "\n```\n");
		assert_non_null(end);
		*end = '\0';
		if (strncmp(at, "baton: ", 7) != 0 && *at != '$') { /* messages, a command */
			config_destroy(config_of(at));
			examples++;
		}
		at = end + 5;
	}
	assert_in_range(examples, 3, 100);
	free(docs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_refuses_broken_grammar),
		cmocka_unit_test(test_config_refuses_unknown_words),
		cmocka_unit_test(test_config_refuses_what_stands_twice),
		cmocka_unit_test(test_config_refuses_listeners_that_cannot_both_be_bound),
		cmocka_unit_test(test_config_refuses_bad_values_and_names_the_range),
		cmocka_unit_test(test_config_refuses_every_key_beyond_its_range),
		cmocka_unit_test(test_config_says_what_is_missing),
		cmocka_unit_test(test_config_refuses_bad_listeners),
		cmocka_unit_test(test_config_refuses_bad_proxies),
		cmocka_unit_test(test_config_refuses_bad_pools),
		cmocka_unit_test(test_config_takes_blanks_in_paths_and_arguments),
		cmocka_unit_test(test_config_refuses_bad_routes),
		cmocka_unit_test(test_config_refuses_bad_conditions),
		cmocka_unit_test(test_config_refuses_routes_that_fit_the_same_requests),
		cmocka_unit_test(test_config_replaces_variables_and_refuses_unset_ones),
		cmocka_unit_test(test_config_gives_defaults),
		cmocka_unit_test(test_config_reads_what_is_written),
		cmocka_unit_test(test_config_sorts_routes_in_matching_order),
		cmocka_unit_test(test_config_parses_again_after_every_truncation),
		cmocka_unit_test(test_config_survives_every_byte_in_every_place),
		cmocka_unit_test(test_config_load_reads_files_and_says_why_not),
		cmocka_unit_test(test_config_from_child_makes_the_smallest_configuration),
		cmocka_unit_test(test_config_documentation_has_every_key_default_and_range),
		cmocka_unit_test(test_config_documentation_examples_are_valid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
