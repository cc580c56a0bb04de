/* SPDX-License-Identifier: MIT */
/*
 * Tests of route/route.c and of the order that config/routes.c gives it: a configuration as people
 * write it, whole request heads, and the name of the route that each gets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "admit/request.h"
#include "config_of.h"
#include "route/route.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof(array)[0])

#define START                         \
	"listen \"127.0.0.1:1\" {}\n" \
	"listen \"127.0.0.1:2\" {}\n" \
	"pool p { command = {c} }\n"  \
	"pool q { command = {c} }\n"

struct row {
	const char *host, *target;
	const char *fields; /* more of them, each with its CRLF */
	const char *name;   /* NULL: no route */
};

static const char *find(const struct config *config, size_t listener, const struct row *row,
			bool is_upgrade)
{
	static struct head head;
	static char text[4096];
	struct request request;
	enum refusal refusal = REFUSAL_NONE;
	int len = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n",
			   row->target, row->host, row->fields,
			   is_upgrade ? "Upgrade: websocket\r\nConnection: Upgrade\r\n"
					"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
					"Sec-WebSocket-Version: 13\r\n"
				      : "");
	assert_in_range(len, 1, sizeof text - 1);
	if (head_parse(text, (size_t)len, sizeof text, &head, &refusal) == HEAD_OK) {
		refusal = request_judge(&head, &request);
	}
	if (refusal != REFUSAL_NONE) {
		return refusal_name(refusal);
	}
	const struct config_route *route;
	refusal = route_find(config, listener, &request, &route);
	return refusal == REFUSAL_NONE ? route->name : refusal_name(refusal);
}

static void check(const char *text, size_t listener, bool is_upgrade, const struct row *rows,
		  size_t count)
{
	struct config *config = config_of(text);
	for (size_t i = 0; i < count; i++) {
		const char *name = find(config, listener, &rows[i], is_upgrade);
		const char *wanted = rows[i].name != NULL ? rows[i].name : "no-route";
		if (strcmp(name, wanted) != 0) {
			print_error("row %zu: %s%s %s\n", i, rows[i].host, rows[i].target,
				    rows[i].fields);
		}
		assert_string_equal(name, wanted);
	}
	config_destroy(config);
}

static void test_route_is_that_of_the_longest_path_that_fits(void **state)
{
	(void)state;
	static const char text[] = START "route \"/chat\" { pool = p }\n"
					 "route \"/chat/deep\" { pool = p }\n"
					 "route \"/a%20b\" { pool = p }\n"
					 "route \"/~x%2Fy\" { pool = p }\n";
	static const struct row rows[] = {
		{"a", "/chat", "", "/chat"},
		{"a", "/chat/", "", "/chat"},
		{"a", "/chat?x", "", "/chat"},
		{"a", "/chat/x/y", "", "/chat"},
		{"a", "/chat//", "", "/chat"},
		{"a", "http://a/chat", "", "/chat"},
		{"a", "/chat/deep", "", "/chat/deep"},
		{"a", "/chat/deep/er", "", "/chat/deep"},
		{"a", "/chat/deeper", "", "/chat"},
		{"a", "/%63h%61t", "", "/chat"}, /* RFC 3986, 6.2.2.2 */
		{"a", "/ch%61t/x", "", "/chat"},
		{"a", "/a%20b", "", "/a%20b"},
		{"a", "/%7Ex%2fy", "", "/~x%2Fy"}, /* 6.2.2.1 */
		{"a", "/~x/y", "", NULL},
		{"a", "/", "", NULL},
		{"a", "/cha", "", NULL},
		{"a", "/chatter", "", NULL},
		{"a", "/chat.", "", NULL},
		{"a", "/Chat", "", NULL},
		{"a", "/a+b", "", NULL},
	};
	check(text, 0, true, rows, ARRAY_SIZE(rows));
}

/* Both ways: the one that is guarded may be the one with the longer path, or the other. */
static void test_route_refuses_a_path_that_a_child_may_read_as_another_routes(void **state)
{
	(void)state;
	static const char text[] = START "route \"/\" { pool = p }\n"
					 "route \"/admin\" { pool = p }\n"
					 "route \"/c++/x\" { pool = p }\n"
					 "route \"/file.txt\" { pool = p  exact = true }\n"
					 "route \"/beta\" { pool = p  query = {\"beta\"} }\n"
					 "route \"host/tenant\" { pool = p }\n"
					 "route \"/a%2Fb\" { pool = p }\n"
					 "route \"/m;v=1\" { pool = p }\n"
					 "route \"/m;v=2\" { pool = p }\n";
	static const struct row rows[] = {
		{"a", "//admin/x", "", "path"},
		{"a", "/%2Fadmin", "", "path"},
		{"a", "/admin%2fx", "", "path"},
		{"a", "//admin%5Cx", "", "path"},
		{"a", "/admin;x", "", "path"},
		{"a", "/;x/admin", "", "path"},
		{"a", "/adm%69n;x/y", "", "path"},
		{"a", "http://a//admin", "", "path"},
		{"a", "/c%2B+/x", "", "path"},
		{"a", "/c+%2b//x", "", "path"},
		{"a", "/c++//x", "", "path"},
		{"a", "/file.txt;x", "", "path"},
		{"a", "/beta;?beta", "", "path"},
		{"host", "//tenant", "", "path"},
		{"a", "/beta;", "", "/"},
		{"a", "//tenant", "", "/"},
		/* It stays with the same route in every reading. */
		{"a", "/admin//x", "", "/admin"},
		{"a", "/admin/a%2Fb;c", "", "/admin"},
		{"a", "//x%2Fadmin", "", "/"},
		{"a", "/x//admin", "", "/"},
		{"a", "/administration;x", "", "/"},
		{"a", "/admi%2Fn", "", "/"},
		{"a", "/x;/admin", "", "/"},
		{"a", "/%2561dmin", "", "/"},
		{"a", "/?//admin;", "", "/"},
		/* Written so in the configuration. */
		{"a", "/a%2fb/c", "", "/a%2Fb"},
		{"a", "/m;v=1/x", "", "/m;v=1"},
		{"a", "/m;v=2", "", "/m;v=2"},
	};
	check(text, 0, true, rows, ARRAY_SIZE(rows));
}

static void test_route_that_is_exact_takes_its_path_alone(void **state)
{
	(void)state;
	static const char text[] = START "route \"/\" { pool = p  exact = true }\n"
					 "route \"/chat/long\" { pool = p }\n"
					 "route \"/chat\" { pool = q }\n"
					 "route \"/chat\" { pool = p  exact = true }\n"
					 "route \"/chat/\" { pool = p  exact = true }\n";
	static const struct row rows[] = {
		{"a", "/", "", "/"},
		{"a", "/?q", "", "/"},
		{"a", "ws://a", "", "/"},
		{"a", "//", "", "path"},
		{"a", "/x", "", NULL},
		{"a", "/chat", "", "/chat#2"},
		{"a", "/ch%61t?x", "", "/chat#2"},
		{"a", "/chat/", "", "/chat/"},
		{"a", "/chat/x", "", "/chat"},
		{"a", "/chat/long", "", "/chat/long"},
	};
	check(text, 0, true, rows, ARRAY_SIZE(rows));
}

static void test_route_with_a_host_goes_before_wildcards_and_these_before_all_hosts(void **state)
{
	(void)state;
	static const char text[] = START "route \"/\" { pool = p }\n"
					 "route \"/deep/path\" { pool = p }\n"
					 "route \"*.example.org/deep\" { pool = p }\n"
					 "route \"*.eu.Example.org/\" { pool = p }\n"
					 "route \"www.example.org/\" { pool = p }\n"
					 "route \"[::1]/\" { pool = p }\n"
					 "route \"10.0.0.1/\" { pool = p }\n";
	static const struct row rows[] = {
		{"www.example.org", "/deep", "", "www.example.org/"},
		{"WWW.Example.ORG", "/", "", "www.example.org/"},
		{"www.example.org:8080", "/", "", "www.example.org/"},
		{"api.example.org", "/deep", "", "*.example.org/deep"},
		{"API.EXAMPLE.ORG:1", "/deep/path", "", "*.example.org/deep"},
		{"a.b.example.org", "/deep", "", "*.example.org/deep"},
		{"a.eu.example.org", "/deep", "", "*.eu.Example.org/"},
		{"a.b.eu.example.org", "/x", "", "*.eu.Example.org/"},
		{"eu.example.org", "/deep", "", "*.example.org/deep"},
		{"api.example.org", "/other", "", "/"},
		{"example.org", "/deep", "", "/"},
		{".example.org", "/deep", "", "/"},
		{"badexample.org", "/deep", "", "/"},
		{"example.org.evil", "/deep/path", "", "/deep/path"},
		{"www.example.org.", "/deep", "", "/"},
		{"[::1]", "/any", "", "[::1]/"},
		{"[::1]:80", "/", "", "[::1]/"},
		{"[0::1]", "/", "", "/"},
		{"10.0.0.1", "/", "", "10.0.0.1/"},
	};
	check(text, 0, true, rows, ARRAY_SIZE(rows));
}

static void test_route_with_a_subprotocol_wants_it_offered(void **state)
{
	(void)state;
	static const char text[] = START "route \"/\" { pool = p }\n"
					 "route \"/\" { pool = p  subprotocol = \"chat.v1\" }\n"
					 "route \"/\" { pool = p  subprotocol = \"chat.v2\" }\n";
	static const struct row rows[] = {
		{"a", "/", "", "/"},
		{"a", "/", "Sec-WebSocket-Protocol: chat.v2\r\n", "/#3"},
		{"a", "/", "Sec-WebSocket-Protocol: x, chat.v2\r\n", "/#3"},
		{"a", "/", "sec-websocket-protocol: x\r\nSec-WebSocket-Protocol: chat.v2\r\n",
		 "/#3"},
		{"a", "/", "Sec-WebSocket-Protocol: chat.v2, chat.v1\r\n", "/#2"},
		{"a", "/", "Sec-WebSocket-Protocol: chat.V2\r\n", "/"},
		{"a", "/", "Sec-WebSocket-Protocol: chat.v22\r\n", "/"},
		{"a", "/", "Sec-WebSocket-Protocol: chat\r\n", "/"},
		{"a", "/", "X-Protocol: chat.v2\r\n", "/"},
	};
	check(text, 0, true, rows, ARRAY_SIZE(rows));
	static const struct row plain[] = {
		{"a", "/", "Sec-WebSocket-Protocol: chat.v2\r\n", "/"},
	};
	check(text, 0, false, plain, ARRAY_SIZE(plain));
}

static void test_route_with_a_query_wants_key_or_pair(void **state)
{
	(void)state;
	static const char text[] = START "route \"/\" { pool = p  query = {\"v=2\"} }\n"
					 "route \"/\" { pool = p  query = {\"debug\"} }\n"
					 "route \"/\" { pool = p  query = {\"v=2\", \"debug\"} }\n"
					 "route \"/\" { pool = p  query = {\"n=a%20b%2F\"} }\n"
					 "route \"/\" { pool = p  query = {\"empty=\"} }\n";
	static const struct row rows[] = {
		{"a", "/?v=2", "", "/"},
		{"a", "/?a=1&v=2&b", "", "/"},
		{"a", "/?v=1&v=2", "", "/"},
		{"a", "/?%76=%32", "", "/"},
		{"a", "/?debug", "", "/#2"},
		{"a", "/?debug=", "", "/#2"},
		{"a", "/?debug=no", "", "/#2"},
		{"a", "/x?v=3&debug", "", "/#2"},
		{"a", "/?debug=1&v=2", "", "/#3"},
		{"a", "/?n=a%20b%2f", "", "/#4"},
		{"a", "/?empty=", "", "/#5"},
		{"a", "/", "", NULL},
		{"a", "/?", "", NULL},
		{"a", "/?v", "", NULL},
		{"a", "/?v=", "", NULL},
		{"a", "/?v=22", "", NULL},
		{"a", "/?vv=2", "", NULL},
		{"a", "/?v=2=3", "", NULL},
		{"a", "/?V=2", "", NULL},
		{"a", "/?v%3D2", "", NULL},
		{"a", "/?x=v=2", "", NULL},
		{"a", "/?debugger", "", NULL},
		{"a", "/?n=a+b%2F", "", NULL},
		{"a", "/?n=a%20b/", "", NULL},
		{"a", "/?empty", "", NULL},
		{"a", "/?empty=1", "", NULL},
	};
	check(text, 0, true, rows, ARRAY_SIZE(rows));
}

static void test_route_with_headers_wants_name_or_value_that_a_child_sees(void **state)
{
	(void)state;
	static const char text[] =
		START "route \"/\" { pool = p  headers = {\"X-Tenant: a B\"} }\n"
		      "route \"/\" { pool = p  headers = {\"X-Beta\"} }\n"
		      "route \"/\" { pool = p  headers = {\"x-beta\", \"X-Tenant: a B\"} }\n";
	static const struct row rows[] = {
		{"a", "/", "X-Tenant: a B\r\n", "/"},
		{"a", "/", "x-tenant:\t a B \t\r\n", "/"},
		{"a", "/", "X-Tenant: b\r\nX-Tenant: a B\r\n", "/"},
		{"a", "/", "X-Beta:\r\n", "/#2"},
		{"a", "/", "X-BETA: anything\r\n", "/#2"},
		{"a", "/", "X-Beta: 0\r\nX-Tenant: a B\r\n", "/#3"},
		{"a", "/", "", NULL},
		{"a", "/", "X-Tenant: a b\r\n", NULL},
		{"a", "/", "X-Tenant: a\r\n", NULL},
		{"a", "/", "X-Tenant: a B, c\r\n", NULL},
		{"a", "/", "X_Tenant: a B\r\n", NULL},
		{"a", "/", "X-Tenants: a B\r\n", NULL},
		{"a", "/", "X-Other: X-Beta\r\n", NULL},
		/* Named by Connection it is for one hop: the child's head is without it. */
		{"a", "/", "X-Tenant: a B\r\nConnection: x-tenant\r\n", NULL},
	};
	check(text, 0, true, rows, ARRAY_SIZE(rows));
	static const char handshake[] =
		START "route \"/\" { pool = p  headers = {\"Sec-WebSocket-Foo\"} }";
	static const struct row row = {"a", "/", "Sec-WebSocket-Foo: 1\r\n", "/"};
	static const struct row plain = {"a", "/", "Sec-WebSocket-Foo: 1\r\n", NULL};
	check(handshake, 0, true, &row, 1);
	check(handshake, 0, false, &plain, 1);
}

static void test_route_with_more_conditions_is_tried_first_then_the_files_order(void **state)
{
	(void)state;
	static const char text[] = START
		"route \"/a\" { pool = p }\n"
		"route \"/a\" { pool = p  query = {\"x\"} }\n"
		"route \"/a\" { pool = p  headers = {\"X\"} }\n"
		"route \"/a\" { pool = p  headers = {\"X\"}  query = {\"x\"} subprotocol = x }\n"
		"route \"/a/b\" { pool = p  query = {\"never\"} }\n"
		"route \"h/a\" { pool = p  query = {\"x\", \"y\"} }\n"
		"route \"*.h/a\" { pool = p  query = {\"x\", \"y\"} }\n";
	static const struct row rows[] = {
		{"o", "/a", "", "/a"},
		{"o", "/a?x", "", "/a#2"},
		{"o", "/a", "X: 1\r\n", "/a#3"},
		{"o", "/a?x", "X: 1\r\n", "/a#2"},
		{"o", "/a?x", "X: 1\r\nSec-WebSocket-Protocol: x\r\n", "/a#4"},
		{"o", "/a/b", "", "/a"}, /* passed over for the next that fits */
		{"o", "/a/b?never", "", "/a/b"},
		{"h", "/a?y&x", "", "h/a"},
		{"h", "/a?x", "", "/a#2"},
		{"i.h", "/a?x&y", "", "*.h/a"},
		{"i.h", "/a?y", "", "/a"},
	};
	check(text, 0, true, rows, ARRAY_SIZE(rows));
}

static void test_route_is_found_at_its_listeners_only(void **state)
{
	(void)state;
	static const char text[] =
		START "route \"/admin\" { pool = p  listen = {\"127.0.0.1:2\"} }\n"
		      "route \"/x\" { pool = p  listen = {\"127.0.0.1:1\"} }\n"
		      "route \"/x\" { pool = q  listen = {\"127.0.0.1:2\"} }\n";
	static const struct row first[] = {
		{"a", "/admin", "", NULL},
		{"a", "/x", "", "/x"},
	};
	static const struct row second[] = {
		{"a", "/admin", "", "/admin"},
		{"a", "/x", "", "/x#2"},
	};
	check(text, 0, true, first, ARRAY_SIZE(first));
	check(text, 1, true, second, ARRAY_SIZE(second));
}

static void test_route_table_may_be_empty(void **state)
{
	(void)state;
	static const struct config empty = {0};
	static const struct row row = {"a", "/", "", NULL};
	assert_string_equal(find(&empty, 0, &row, true), "no-route");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_route_is_that_of_the_longest_path_that_fits),
		cmocka_unit_test(test_route_refuses_a_path_that_a_child_may_read_as_another_routes),
		cmocka_unit_test(test_route_that_is_exact_takes_its_path_alone),
		cmocka_unit_test(
			test_route_with_a_host_goes_before_wildcards_and_these_before_all_hosts),
		cmocka_unit_test(test_route_with_a_subprotocol_wants_it_offered),
		cmocka_unit_test(test_route_with_a_query_wants_key_or_pair),
		cmocka_unit_test(test_route_with_headers_wants_name_or_value_that_a_child_sees),
		cmocka_unit_test(
			test_route_with_more_conditions_is_tried_first_then_the_files_order),
		cmocka_unit_test(test_route_is_found_at_its_listeners_only),
		cmocka_unit_test(test_route_table_may_be_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
