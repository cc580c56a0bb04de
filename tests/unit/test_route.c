/* SPDX-License-Identifier: MIT */
/* Tests of route/route.c, on a configuration built by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/config.h"
#include "route/route.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof(array)[0])

static bool both[] = {true, true};
static bool second_only[] = {false, true};

/* In matching order, as config gives them. */
static struct config_route routes[] = {
	{.name = "example.org/chat", .host = "example.org", .path = "/chat", .listeners = both},
	{.name = "[::1]/", .host = "[::1]", .path = "/", .listeners = both},
	{.name = "/a b", .path = "/a%20b", .listeners = both},
	{.name = "/100%", .path = "/100%", .listeners = both},
	{.name = "/chat/deep", .path = "/chat/deep", .listeners = both},
	{.name = "/admin", .path = "/admin", .listeners = second_only},
	{.name = "/chat", .path = "/chat", .listeners = both},
};
static const struct config config = {.routes = routes, .route_count = ARRAY_SIZE(routes)};

struct row {
	const char *rfc;
	size_t listener;
	const char *host, *path, *name; /* NULL: no route */
};

static const struct row found[] = {
	{"3986 3.3", 0, "a", "/chat", "/chat"},
	{"3986 3.3", 0, "a", "/chat/", "/chat"},
	{"3986 3.3", 0, "a", "/chat/x/y", "/chat"},
	{"3986 3.3", 0, "a", "/chat//", "/chat"},
	{"3986 3.3", 0, "a", "/chat/deep", "/chat/deep"},
	{"3986 3.3", 0, "a", "/chat/deeper", "/chat"},
	{"3986 3.2.2", 0, "example.org", "/chat", "example.org/chat"},
	{"3986 3.2.2", 0, "EXAMPLE.Org", "/chat/deep", "example.org/chat"},
	{"3986 3.2.2", 0, "www.example.org", "/chat", "/chat"},
	{"3986 3.2.2", 0, "[::1]", "/anything", "[::1]/"},
	{"3986 3.2.2", 0, "[::1]", "/", "[::1]/"},
	{"3986 6.2.2.2", 0, "a", "/%63h%61t", "/chat"},
	{"3986 6.2.2.2", 0, "a", "/ch%61t/x", "/chat"},
	{"3986 2.1", 0, "a", "/a%20b", "/a b"},
	{"3986 3.3", 1, "a", "/admin", "/admin"},
	{"3986 3.3", 1, "a", "/chat", "/chat"},
};

static const struct row not_found[] = {
	{"3986 3.3", 0, "a", "/", NULL},
	{"3986 3.3", 0, "a", "/cha", NULL},
	{"3986 3.3", 0, "a", "/chatter", NULL},
	{"3986 3.3", 0, "a", "/chat.", NULL},
	{"3986 3.3", 0, "a", "//chat", NULL},
	{"3986 6.2.2.1", 0, "a", "/Chat", NULL},
	{"3986 6.2.2.2", 0, "a", "/chat%2fx", NULL},
	{"3986 6.2.2.2", 0, "a", "%2fchat", NULL},
	{"3986 2.2", 0, "a", "/chat;x", NULL},
	{"3986 2.1", 0, "a", "/a+b", NULL},
	{"3986 2.1", 0, "a", "/100%", NULL},
	{"3986 2.1", 0, "a", "/100%25", NULL},
	{"3986 3.3", 0, "a", "/admin", NULL},
	{"3986 3.3", 0, "a", "", NULL},
};

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct config_route *route = route_find(
			&config, rows[i].listener, slice_of(rows[i].host), slice_of(rows[i].path));
		const char *name = route == NULL ? "none" : route->name;
		const char *wanted = rows[i].name == NULL ? "none" : rows[i].name;
		if (strcmp(name, wanted) != 0) {
			print_error("row %zu (RFC %s): %s%s\n", i, rows[i].rfc, rows[i].host,
				    rows[i].path);
		}
		assert_string_equal(name, wanted);
	}
}

static void test_route_is_the_first_of_the_table_that_fits(void **state)
{
	(void)state;
	check_rows(found, ARRAY_SIZE(found));
}

static void test_route_does_not_match_half_a_word_or_another_listener(void **state)
{
	(void)state;
	check_rows(not_found, ARRAY_SIZE(not_found));
}

static void test_route_of_the_root_matches_every_path(void **state)
{
	(void)state;
	struct config_route root = {.name = "/", .path = "/", .listeners = both};
	const struct config only_root = {.routes = &root, .route_count = 1};
	static const char *const paths[] = {"/", "/a", "//", "/%2e%20"};
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		assert_ptr_equal(route_find(&only_root, 0, slice_of("a"), slice_of(paths[i])),
				 &root);
	}
}

static void test_route_percent_spellings_of_the_table_are_equal_too(void **state)
{
	(void)state;
	struct config_route route = {.name = "x", .path = "/%7ea%2Fb", .listeners = both};
	const struct config one = {.routes = &route, .route_count = 1};
	assert_ptr_equal(route_find(&one, 0, slice_of("a"), slice_of("/~a%2fb")), &route);
	assert_null(route_find(&one, 0, slice_of("a"), slice_of("/~a/b")));
}

static void test_route_table_may_be_empty(void **state)
{
	(void)state;
	const struct config empty = {0};
	assert_null(route_find(&empty, 0, slice_of("a"), slice_of("/")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_route_is_the_first_of_the_table_that_fits),
		cmocka_unit_test(test_route_does_not_match_half_a_word_or_another_listener),
		cmocka_unit_test(test_route_of_the_root_matches_every_path),
		cmocka_unit_test(test_route_percent_spellings_of_the_table_are_equal_too),
		cmocka_unit_test(test_route_table_may_be_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
