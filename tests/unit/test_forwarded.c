/* SPDX-License-Identifier: MIT */
/*
 * Tests of admit/forwarded.c. The trusted ones are 10.0.0.0/8, 2001:db8:f::/48 and the Unix socket;
 * a row names the peer, the header fields as they arrive, and who the client is then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admit/forwarded.h"
#include "admit/head.h"

#include <stdio.h>
#include <string.h>

#define ROWS(table) (sizeof(table) / sizeof(table)[0])

enum { TRUSTED = 3, LIMIT = 16 * 1024, PEER_PORT = 4711 };

#define PROXY    "10.0.0.1"     /* trusted */
#define HOP      "10.0.0.2"     /* trusted, too */
#define STRANGER "192.0.2.66"   /* connects without a proxy */
#define CLIENT   "198.51.100.7" /* what the proxy says */
#define VICTIM   "203.0.113.9"  /* what a client writes to be taken for another */
#define AT       ":4711"        /* the peer's own port */
#define NO_PORT  ":0"

struct row {
	const char *peer, *fields, *client;
	enum forwarded_scheme scheme;
};

static void parse_address(const char *text, struct address *address)
{
	*address = (struct address){.family = ADDRESS_UNIX};
	if (strcmp(text, "unix") != 0) {
		assert_true(address_parse_ip(text, strlen(text), address));
		address->port = PEER_PORT;
	}
}

static void check_row(size_t index, const struct row *row, enum forwarded_header header)
{
	static char data[LIMIT];
	static struct head head;
	struct address_range trusted[TRUSTED];
	const struct forwarded_rule rule = {trusted, TRUSTED, header};
	struct address peer;
	struct forwarded found;
	enum refusal refusal;
	char client[ADDRESS_TEXT_BYTES];
	assert_int_equal(address_range_parse("10.0.0.0/8", &trusted[0]), ADDRESS_RANGE_OK);
	assert_int_equal(address_range_parse("2001:db8:f::/48", &trusted[1]), ADDRESS_RANGE_OK);
	assert_int_equal(address_range_parse("unix", &trusted[2]), ADDRESS_RANGE_OK);
	parse_address(row->peer, &peer);
	int len = snprintf(data, sizeof data, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", row->fields);
	if (head_parse(data, (size_t)len, LIMIT, &head, &refusal) != HEAD_OK) {
		fail_msg("row %zu is no head: %s", index, row->fields);
	}
	forwarded_find(&head, &peer, &rule, &found);
	address_write(&found.client, client);
	if (strcmp(client, row->client) != 0 || found.scheme != row->scheme) {
		fail_msg("row %zu: peer %s, %s: %s with scheme %d instead of %s with %d", index,
			 row->peer, row->fields, client, (int)found.scheme, row->client,
			 (int)row->scheme);
	}
}

static void check_rows(const struct row *rows, size_t count, enum forwarded_header header)
{
	for (size_t i = 0; i < count; i++) {
		check_row(i, &rows[i], header);
	}
}

#define XFF(value) "X-Forwarded-For: " value "\r\n"
#define XFP(value) "X-Forwarded-Proto: " value "\r\n"
#define FWD(value) "Forwarded: " value "\r\n"
#define XRI(value) "X-Real-IP: " value "\r\n"

static const struct row x_forwarded_for_rows[] = {
	/* who is believed */
	{PROXY, "", PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF(CLIENT), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{"unix", XFF(CLIENT), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{"unix", "", "unix", FORWARDED_UNKNOWN},
	{"::ffff:10.0.0.1", XFF(CLIENT), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{"2001:db8:f::1", XFF("2001:db8::7"), "[2001:db8::7]:0", FORWARDED_UNKNOWN},
	{STRANGER, XFF(VICTIM), STRANGER AT, FORWARDED_UNKNOWN},
	{STRANGER, XFF(VICTIM) XFP("https"), STRANGER AT, FORWARDED_UNKNOWN},
	{STRANGER, XFF("10.0.0.1, " PROXY), STRANGER AT, FORWARDED_UNKNOWN},
	{"2001:db8:e::1", XFF(VICTIM), "[2001:db8:e::1]:4711", FORWARDED_UNKNOWN},
	{"11.0.0.1", XFF(VICTIM), "11.0.0.1:4711", FORWARDED_UNKNOWN},
	{"::1", XFF(VICTIM), "[::1]:4711", FORWARDED_UNKNOWN},
	/* the right-most that is not trusted */
	{PROXY, XFF(VICTIM ", " CLIENT), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, XFF(VICTIM ", " CLIENT ", " HOP), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, XFF(VICTIM "," CLIENT "," HOP "," PROXY), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, XFF(VICTIM ", " HOP ", " CLIENT), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, XFF("10.9.9.9, " HOP), "10.9.9.9:0", FORWARDED_UNKNOWN},
	{PROXY, XFF(CLIENT ", 2001:db8:f::2"), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, XFF(CLIENT ", ::ffff:10.0.0.2"), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	/* several lines are one list */
	{PROXY, XFF(VICTIM) XFF(CLIENT), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, XFF(VICTIM) "A: b\r\n" XFF(CLIENT) XFF(HOP), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, XFF(CLIENT) XFF(""), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, "x-fORWARDED-fOR:" CLIENT "\r\n", CLIENT NO_PORT, FORWARDED_UNKNOWN},
	/* ports and spellings */
	{PROXY, XFF(CLIENT ":55555"), CLIENT ":55555", FORWARDED_UNKNOWN},
	{PROXY, XFF("[2001:db8::7]:55555"), "[2001:db8::7]:55555", FORWARDED_UNKNOWN},
	{PROXY, XFF("[2001:db8::7]"), "[2001:db8::7]:0", FORWARDED_UNKNOWN},
	{PROXY, XFF("2001:DB8::7"), "[2001:db8::7]:0", FORWARDED_UNKNOWN},
	{PROXY, XFF("::ffff:198.51.100.7"), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, XFF(" \t" CLIENT "\t "), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	/* what does not name an address ends the walk at who wrote it */
	{PROXY, XFF(VICTIM ", unknown"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF(VICTIM ", unknown, " HOP), HOP NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, XFF(VICTIM ", _hidden, " HOP), HOP NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, XFF(VICTIM ", , " HOP), HOP NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, XFF(VICTIM ","), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF(VICTIM ", unix:"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF("unix"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF("198.51.100.07"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF("198.51.100.256"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF("198.51.100"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF("0xc6336407"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF("3325256711"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF(CLIENT " "), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, XFF(CLIENT " " VICTIM), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF(CLIENT ";" VICTIM), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF("\"" CLIENT "\""), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF("for=" CLIENT), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF(CLIENT ":"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF(CLIENT ":65536"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF(CLIENT ":x"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF("[2001:db8::7"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF("[" CLIENT "]"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF("fe80::1%eth0"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF("example.org"), PROXY AT, FORWARDED_UNKNOWN},
	/* a quote has no meaning here, so none can hide a comma */
	{PROXY, XFF("\"" VICTIM ", " CLIENT), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	/* no other spelling and no other header is read */
	{PROXY, "X_Forwarded_For: " VICTIM "\r\n", PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF(CLIENT) "X-Forwarded_For: " VICTIM "\r\n", CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for=" VICTIM) XRI(VICTIM), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF(CLIENT) FWD("for=" VICTIM ";proto=https") XRI(VICTIM), CLIENT NO_PORT,
	 FORWARDED_UNKNOWN},
	{PROXY, XFF(CLIENT) "Connection: X-Forwarded-For\r\n", CLIENT NO_PORT, FORWARDED_UNKNOWN},
	/* the scheme */
	{PROXY, XFF(CLIENT) XFP("https"), CLIENT NO_PORT, FORWARDED_HTTPS},
	{PROXY, XFF(CLIENT) XFP("HTTP"), CLIENT NO_PORT, FORWARDED_HTTP},
	{PROXY, XFF(CLIENT) XFP("wss"), CLIENT NO_PORT, FORWARDED_HTTPS},
	{PROXY, XFF(CLIENT) XFP("ws"), CLIENT NO_PORT, FORWARDED_HTTP},
	{PROXY, XFF(CLIENT) XFP("https, http"), CLIENT NO_PORT, FORWARDED_HTTP},
	{PROXY, XFF(CLIENT) XFP("https") XFP("http"), CLIENT NO_PORT, FORWARDED_HTTP},
	{PROXY, XFF(CLIENT) XFP("https, ftp"), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, XFF(CLIENT) XFP("https,"), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, XFF(CLIENT) "X_Forwarded_Proto: https\r\n", CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, XFF("unknown") XFP("https"), PROXY AT, FORWARDED_HTTPS},
	{PROXY, XFP("https"), PROXY AT, FORWARDED_HTTPS},
};

static void test_forwarded_walks_x_forwarded_for_to_the_first_stranger(void **state)
{
	(void)state;
	check_rows(x_forwarded_for_rows, ROWS(x_forwarded_for_rows), FORWARDED_X_FORWARDED_FOR);
}

static const struct row forwarded_rows[] = {
	/* RFC 7239, 4 and 6 */
	{PROXY, FWD("for=" CLIENT), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, FWD("For=\"[2001:db8:cafe::17]:4711\""), "[2001:db8:cafe::17]:4711",
	 FORWARDED_UNKNOWN},
	{PROXY, FWD("for=\"[2001:db8::7]\""), "[2001:db8::7]:0", FORWARDED_UNKNOWN},
	{PROXY, FWD("for=\"" CLIENT ":80\""), CLIENT ":80", FORWARDED_UNKNOWN},
	{PROXY, FWD("for=" CLIENT ";proto=http;by=203.0.113.43"), CLIENT NO_PORT, FORWARDED_HTTP},
	{PROXY, FWD("by=_x;PROTO=\"https\";host=\"a,b;c=\\\"d\";FOR=" CLIENT), CLIENT NO_PORT,
	 FORWARDED_HTTPS},
	{PROXY, FWD("for=" CLIENT "; proto=https;"), CLIENT NO_PORT, FORWARDED_HTTPS},
	{"unix", FWD("for=" CLIENT), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{STRANGER, FWD("for=" VICTIM ";proto=https"), STRANGER AT, FORWARDED_UNKNOWN},
	/* the right-most that is not trusted, and the proto of that element */
	{PROXY, FWD("for=" VICTIM ", for=" CLIENT), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for=" VICTIM) FWD("for=" CLIENT), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for=" CLIENT ";proto=https, for=" HOP ";proto=http"), CLIENT NO_PORT,
	 FORWARDED_HTTPS},
	{PROXY, FWD("for=" VICTIM ";proto=https, for=" CLIENT ";proto=http"), CLIENT NO_PORT,
	 FORWARDED_HTTP},
	{PROXY, FWD("for=" VICTIM ";proto=https, for=" CLIENT), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	/* what a client leaves open swallows nothing that comes behind it */
	{PROXY, FWD("for=\"" VICTIM ", for=" CLIENT), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for=" VICTIM ";x=\", for=\"[2001:db8::7]\""), "[2001:db8::7]:0",
	 FORWARDED_UNKNOWN},
	{PROXY, FWD("for=" VICTIM ";x=\"\\, for=\"" CLIENT "\""), CLIENT NO_PORT,
	 FORWARDED_UNKNOWN},
	{PROXY, FWD("for=" VICTIM ";x=\"\\") FWD("for=" CLIENT), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for=" VICTIM ", for=\"" HOP "\", for=\"" HOP "\""), VICTIM NO_PORT,
	 FORWARDED_UNKNOWN},
	{PROXY, FWD("\", for=" VICTIM ", for=\"" HOP "\""), VICTIM NO_PORT, FORWARDED_UNKNOWN},
	/* what does not name an address ends the walk at who wrote it */
	{PROXY, FWD("for=" VICTIM ", for=unknown"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for=" VICTIM ", for=unknown;proto=https, for=" HOP ";proto=http"), HOP NO_PORT,
	 FORWARDED_HTTP},
	{PROXY, FWD("for=" VICTIM ", for=_gazonk"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for=" VICTIM ", for=\"_gazonk:_port\", for=" HOP), HOP NO_PORT,
	 FORWARDED_UNKNOWN},
	{PROXY, FWD("for=\"" CLIENT ":_port\""), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for=" VICTIM ", proto=https"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for=" VICTIM ", "), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for=" CLIENT ":80"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for=[2001:db8::7]"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for=2001:db8::7"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for=\"\\1\\9\\8.51.100.7\""), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for=\"" CLIENT), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for=" CLIENT "\""), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for=\"" CLIENT "\"x"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for=\"\""), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for="), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, FWD("=" CLIENT), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for = " CLIENT), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for=" VICTIM ";for=" CLIENT), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for=" CLIENT ";proto=http;proto=https"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for=" CLIENT ";proto=gopher"), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{PROXY, FWD("fo=" VICTIM ";forx=" VICTIM), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, FWD(CLIENT), PROXY AT, FORWARDED_UNKNOWN},
	/* no other header is read */
	{PROXY, XFF(VICTIM) XRI(VICTIM) XFP("https"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, FWD("for=" CLIENT) XFF(VICTIM) XFP("https"), CLIENT NO_PORT, FORWARDED_UNKNOWN},
};

static void test_forwarded_walks_forwarded_to_the_first_stranger(void **state)
{
	(void)state;
	check_rows(forwarded_rows, ROWS(forwarded_rows), FORWARDED_FORWARDED);
}

static const struct row x_real_ip_rows[] = {
	{PROXY, XRI(CLIENT), CLIENT NO_PORT, FORWARDED_UNKNOWN},
	{"unix", XRI("2001:db8::7") XFP("https"), "[2001:db8::7]:0", FORWARDED_HTTPS},
	{PROXY, XRI("10.9.9.9"), "10.9.9.9:0", FORWARDED_UNKNOWN},
	{STRANGER, XRI(VICTIM), STRANGER AT, FORWARDED_UNKNOWN},
	{PROXY, XRI(VICTIM ", " CLIENT), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XRI(VICTIM) XRI(CLIENT), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XRI(""), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XRI("unknown"), PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, "X_Real_IP: " VICTIM "\r\n", PROXY AT, FORWARDED_UNKNOWN},
	{PROXY, XFF(VICTIM) FWD("for=" VICTIM), PROXY AT, FORWARDED_UNKNOWN},
};

static void test_forwarded_takes_x_real_ip_when_there_is_one(void **state)
{
	(void)state;
	check_rows(x_real_ip_rows, ROWS(x_real_ip_rows), FORWARDED_X_REAL_IP);
}

static void test_forwarded_believes_nobody_without_a_list(void **state)
{
	(void)state;
	static const char data[] = "GET / HTTP/1.1\r\n" XFF(VICTIM) "\r\n";
	const struct forwarded_rule nobody = {0};
	struct head head;
	enum refusal refusal;
	struct address peer;
	struct forwarded found;
	assert_int_equal(head_parse(data, sizeof data - 1, LIMIT, &head, &refusal), HEAD_OK);
	parse_address(PROXY, &peer);
	forwarded_find(&head, &peer, &nobody, &found);
	assert_memory_equal(found.client.ip, peer.ip, sizeof peer.ip);
}

static void test_forwarded_reads_a_full_head_of_trusted_hops(void **state)
{
	(void)state;
	static char fields[LIMIT - 100] = "X-Forwarded-For: " CLIENT;
	struct row row = {PROXY, fields, CLIENT NO_PORT, FORWARDED_UNKNOWN};
	while (strlen(fields) + 12 < sizeof fields) {
		strcat(fields, "," HOP);
	}
	strcat(fields, "\r\n");
	check_row(0, &row, FORWARDED_X_FORWARDED_FOR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forwarded_walks_x_forwarded_for_to_the_first_stranger),
		cmocka_unit_test(test_forwarded_walks_forwarded_to_the_first_stranger),
		cmocka_unit_test(test_forwarded_takes_x_real_ip_when_there_is_one),
		cmocka_unit_test(test_forwarded_believes_nobody_without_a_list),
		cmocka_unit_test(test_forwarded_reads_a_full_head_of_trusted_hops),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
