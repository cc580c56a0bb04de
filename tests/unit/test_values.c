/* SPDX-License-Identifier: MIT */
/*
 * Values of the configuration: values.c, words.c, endpoint.c. Valid and invalid rows are separate
 * tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "config/config.h"
#include "config/endpoint.h"
#include "config/values.h"
#include "config/words.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

typedef bool number_fn(const char *, uint64_t *);

struct number_row {
	const char *text;
	uint64_t number;
};

static void check_numbers(number_fn *parse, const struct number_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t number = 77;
		bool ok = parse(rows[i].text, &number);
		if (!ok || number != rows[i].number) {
			print_error("row %zu: %s\n", i, rows[i].text);
		}
		assert_true(ok);
		assert_int_equal(number, rows[i].number);
	}
}

static void check_no_numbers(number_fn *parse, const char *const *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t number = 77;
		bool ok = parse(rows[i], &number);
		if (ok) {
			print_error("row %zu: %s\n", i, rows[i]);
		}
		assert_false(ok);
		assert_int_equal(number, 77);
	}
}

static void test_values_count_is_decimal_digits_alone(void **state)
{
	(void)state;
	static const struct number_row good[] = {
		{"0", 0},
		{"1", 1},
		{"10", 10},
		{"999999999999999", 999999999999999},
	};
	static const char *const bad[] = {
		"",
		"-1",
		"+1",
		"010",
		"00",
		"0x10",
		"1.5",
		"1e3",
		" 1",
		"1 ",
		"1k",
		"9999999999999999",
		"18446744073709551617",
		"\xd9\xa1",
	};
	check_numbers(values_count, good, LENGTH(good));
	check_no_numbers(values_count, bad, LENGTH(bad));
}

static void test_values_duration_has_a_unit(void **state)
{
	(void)state;
	static const struct number_row good[] = {
		{"50ms", 50}, {"0s", 0}, {"5s", 5000}, {"2m", 120000}, {"1h", 3600000},
	};
	static const char *const bad[] = {
		"",    "5",   "s",    "ms",  "5S", "5 s",   "5sec",
		"-5s", "05s", "1.5s", "5s5", "5d", "1h30m", "999999999999999999h",
	};
	check_numbers(values_duration, good, LENGTH(good));
	check_no_numbers(values_duration, bad, LENGTH(bad));
}

static void test_values_size_counts_in_1024(void **state)
{
	(void)state;
	static const struct number_row good[] = {
		{"0", 0}, {"512", 512}, {"64k", 65536}, {"1M", 1048576}, {"2G", 2147483648},
	};
	static const char *const bad[] = {
		"",
		"k",
		"64K",
		"64kb",
		"1m",
		"-1k",
		"064k",
		"1.5M",
		"64 k",
		"1T",
		"999999999999999G",
	};
	check_numbers(values_size, good, LENGTH(good));
	check_no_numbers(values_size, bad, LENGTH(bad));
}

static void test_values_writes_what_it_reads(void **state)
{
	(void)state;
	char text[VALUES_TEXT_BYTES];
	assert_string_equal(values_write_duration(0, text), "0ms");
	assert_string_equal(values_write_duration(1, text), "1ms");
	assert_string_equal(values_write_duration(90000, text), "90s");
	assert_string_equal(values_write_duration(600000, text), "10m");
	assert_string_equal(values_write_duration(86400000, text), "24h");
	assert_string_equal(values_write_size(0, text), "0");
	assert_string_equal(values_write_size(1, text), "1");
	assert_string_equal(values_write_size(16384, text), "16k");
	assert_string_equal(values_write_size(1 << 30, text), "1G");
}

static void test_values_rate_is_a_count_and_a_time(void **state)
{
	(void)state;
	static const struct number_row rows[] = {
		{"1/s", 1000000}, {"20/s", 50000},  {"30/m", 2000000},   {"100/h", 36000000},
		{"7/s", 142857},  {"1000000/s", 1}, {"1/h", 3600000000},
	};
	static const char *const invalid[] = {"",      "20",        "/s",    "20/",  "20/ms",
					      "20/S",  "0/s",       "20 /s", "-1/s", "02/s",
					      "20/s ", "1000001/s", "1.5/s"};
	check_numbers(values_rate, rows, LENGTH(rows));
	check_no_numbers(values_rate, invalid, LENGTH(invalid));
}

static void test_values_mode_is_octal_permission_bits(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "66", "06600", "1777", "0888", "rw", "0660 ", "-660"};
	mode_t mode = 0;
	assert_true(values_mode("0660", &mode));
	assert_int_equal(mode, 0660);
	assert_true(values_mode("600", &mode));
	assert_int_equal(mode, 0600);
	for (size_t i = 0; i < LENGTH(bad); i++) {
		if (values_mode(bad[i], &mode)) {
			print_error("row %zu: %s\n", i, bad[i]);
		}
		assert_int_equal(mode, 0600);
	}
}

static void test_values_hash_names_what_it_looks_at(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum config_hash hash;
		const char *key;
	} good[] = {
		{"ip", CONFIG_HASH_IP, NULL},
		{"path", CONFIG_HASH_PATH, NULL},
		{"header:X-Room", CONFIG_HASH_HEADER, "X-Room"},
		{"cookie:sid", CONFIG_HASH_COOKIE, "sid"},
		{"query:room", CONFIG_HASH_QUERY, "room"},
	};
	static const char *const bad[] = {
		"",           "ips",       "ip:",     "path:x",     "header", "header:",
		"header:X Y", "header:X:", "cookie:", "cookie:a=b", "query:", "query:a&b",
		"query:a b",  "query",     "room",    "IP",
	};
	enum config_hash hash = CONFIG_HASH_NONE;
	const char *key = NULL;
	for (size_t i = 0; i < LENGTH(good); i++) {
		bool ok = values_hash(good[i].text, &hash, &key);
		if (!ok) {
			print_error("row %zu: %s\n", i, good[i].text);
		}
		assert_true(ok);
		assert_int_equal(hash, good[i].hash);
		if (good[i].key == NULL) {
			assert_null(key);
		} else {
			assert_string_equal(key, good[i].key);
		}
	}
	for (size_t i = 0; i < LENGTH(bad); i++) {
		bool ok = values_hash(bad[i], &hash, &key);
		if (ok) {
			print_error("row %zu: %s\n", i, bad[i]);
		}
		assert_false(ok);
	}
}

static void test_values_assignment_has_a_name(void **state)
{
	(void)state;
	assert_true(values_is_assignment("LANG=C.UTF-8"));
	assert_true(values_is_assignment("_A1="));
	assert_false(values_is_assignment(""));
	assert_false(values_is_assignment("LANG"));
	assert_false(values_is_assignment("=x"));
	assert_false(values_is_assignment("1A=x"));
	assert_false(values_is_assignment("A B=x"));
}

static void test_words_split_like_a_shell_without_expansion(void **state)
{
	(void)state;
	static const struct {
		const char *command;
		const char *words[5];
	} rows[] = {
		{"./child", {"./child"}},
		{"  a  b\tc ", {"a", "b", "c"}},
		{"a 'b c' \"d e\"", {"a", "b c", "d e"}},
		{"a 'it'\\''s'", {"a", "it's"}},
		{"a \"x\\\"y\\\\z\\n\"", {"a", "x\"y\\z\\n"}},
		{"a\\ b", {"a b"}},
		{"'a\\b'", {"a\\b"}},
		{"a '' \"\"", {"a", "", ""}},
		{"a$HOME `id` $(id) *", {"a$HOME", "`id`", "$(id)", "*"}},
		{"x\"y\"'z'", {"xyz"}},
		{"", {NULL}},
		{"   ", {NULL}},
	};
	for (size_t i = 0; i < LENGTH(rows); i++) {
		char **words = words_split(rows[i].command);
		if (words == NULL) {
			print_error("row %zu: %s\n", i, rows[i].command);
		}
		assert_non_null(words);
		size_t count = 0;
		for (; rows[i].words[count] != NULL; count++) {
			if (words[count] == NULL ||
			    strcmp(words[count], rows[i].words[count]) != 0) {
				print_error("row %zu, word %zu: %s\n", i, count, rows[i].command);
			}
			assert_non_null(words[count]);
			assert_string_equal(words[count], rows[i].words[count]);
		}
		assert_null(words[count]);
		words_free(words);
	}
}

static void test_words_split_refuses_what_stays_open(void **state)
{
	(void)state;
	static const char *const bad[] = {"a 'b", "a \"b", "a \\", "\"", "a \"b\\\""};
	for (size_t i = 0; i < LENGTH(bad); i++) {
		char **words = words_split(bad[i]);
		if (words != NULL) {
			print_error("row %zu: %s\n", i, bad[i]);
		}
		assert_null(words);
	}
}

static void test_endpoint_parses_addresses(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		sa_family_t family;
		const char *host;
		uint16_t port;
	} rows[] = {
		{"127.0.0.1:8080", AF_INET, "127.0.0.1", 8080},
		{"127.0.0.1:0", AF_INET, "127.0.0.1", 0},
		{"*:8080", AF_INET, "0.0.0.0", 8080},
		{"[::1]:443", AF_INET6, "::1", 443},
		{"[::]:65535", AF_INET6, "::", 65535},
	};
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct sockaddr_storage address;
		socklen_t len = 0;
		const char *why = NULL;
		char host[INET6_ADDRSTRLEN];
		bool ok = endpoint_parse(rows[i].text, &address, &len, &why);
		if (!ok) {
			print_error("row %zu: %s: %s\n", i, rows[i].text, why);
		}
		assert_true(ok);
		assert_int_equal(address.ss_family, rows[i].family);
		const struct sockaddr_in *in = (const struct sockaddr_in *)&address;
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address;
		bool is_ipv4 = rows[i].family == AF_INET;
		inet_ntop(rows[i].family, is_ipv4 ? (const void *)&in->sin_addr : &in6->sin6_addr,
			  host, sizeof(host));
		assert_string_equal(host, rows[i].host);
		assert_int_equal(ntohs(is_ipv4 ? in->sin_port : in6->sin6_port), rows[i].port);
		assert_int_equal(len, is_ipv4 ? sizeof(*in) : sizeof(*in6));
	}
}

static void test_endpoint_parses_unix_paths_up_to_the_limit(void **state)
{
	(void)state;
	struct sockaddr_storage address;
	socklen_t len = 0;
	const char *why = NULL;
	assert_true(endpoint_parse("unix:/run/x.sock", &address, &len, &why));
	assert_int_equal(address.ss_family, AF_UNIX);
	assert_string_equal(((struct sockaddr_un *)&address)->sun_path, "/run/x.sock");
	assert_int_equal(len, offsetof(struct sockaddr_un, sun_path) + sizeof("/run/x.sock"));

	char text[5 + 108 + 1] = "unix:/";
	memset(text + 6, 'x', 106);
	text[5 + 107] = '\0';
	assert_true(endpoint_parse(text, &address, &len, &why));
	text[5 + 107] = 'x';
	text[5 + 108] = '\0';
	assert_false(endpoint_parse(text, &address, &len, &why));
	assert_non_null(strstr(why, "107 bytes"));
}

static void test_endpoint_refuses_what_is_no_address(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"8080",
		":8080",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:65536",
		"127.0.0.1:080",
		"127.0.0.1:-1",
		"127.0.0.1:http",
		"localhost:80",
		"::1:80",
		"[::1]",
		"[::1:80",
		"::1]:80",
		"[]:80",
		"[127.0.0.1]:80",
		"127.1:80",
		"256.0.0.1:80",
		"*",
		"unix:",
		"unix:x.sock",
		"unix:/run/",
		"unix:@x",
		"http://127.0.0.1:80",
	};
	for (size_t i = 0; i < LENGTH(bad); i++) {
		struct sockaddr_storage address;
		socklen_t len = 0;
		const char *why = NULL;
		bool ok = endpoint_parse(bad[i], &address, &len, &why);
		if (ok) {
			print_error("row %zu: %s\n", i, bad[i]);
		}
		assert_false(ok);
		assert_non_null(why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_count_is_decimal_digits_alone),
		cmocka_unit_test(test_values_duration_has_a_unit),
		cmocka_unit_test(test_values_size_counts_in_1024),
		cmocka_unit_test(test_values_writes_what_it_reads),
		cmocka_unit_test(test_values_rate_is_a_count_and_a_time),
		cmocka_unit_test(test_values_mode_is_octal_permission_bits),
		cmocka_unit_test(test_values_hash_names_what_it_looks_at),
		cmocka_unit_test(test_values_assignment_has_a_name),
		cmocka_unit_test(test_words_split_like_a_shell_without_expansion),
		cmocka_unit_test(test_words_split_refuses_what_stays_open),
		cmocka_unit_test(test_endpoint_parses_addresses),
		cmocka_unit_test(test_endpoint_parses_unix_paths_up_to_the_limit),
		cmocka_unit_test(test_endpoint_refuses_what_is_no_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
