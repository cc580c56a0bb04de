/* SPDX-License-Identifier: MIT */
/*
 * Tests of admit/request.c, canonical.c and the grammars below them. Every row is a whole head: it
 * goes through head_parse at each length (HEAD_NEED_MORE until the last byte) and is then judged
 * from memory of exactly its size. Valid and invalid rows are separate tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admit/request.h"

#include <stdio.h>
#include <stdlib.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof(array)[0])

#define LINE        "GET /chat HTTP/1.1\r\n"
#define HOST        "Host: example.org\r\n"
#define UPGRADE     "Upgrade: websocket\r\n"
#define CONNECTION  "Connection: Upgrade\r\n"
#define VERSION     "Sec-WebSocket-Version: 13\r\n"
#define KEY         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define REST        CONNECTION VERSION KEY "\r\n"
#define WHOLE       HOST UPGRADE REST
#define GET(target) "GET " target " HTTP/1.1\r\n" WHOLE
#define AT(host)    LINE "Host: " host "\r\n" UPGRADE REST
#define WITH(field) LINE HOST UPGRADE field "\r\n" REST
#define POST        "POST /chat HTTP/1.1\r\n" HOST
#define BODY(field) POST field "\r\n\r\n"

enum { LIMIT = 65536 };

static struct head head; /* of the last judge_text; its slices point into copy */
static char *copy;

static enum refusal judge_text(const char *text, struct request *request_r)
{
	enum refusal refusal = REFUSAL_NONE;
	size_t len = strlen(text);
	free(copy);
	copy = malloc(len);
	memcpy(copy, text, len);
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(head_parse(copy, i, LIMIT, &head, &refusal), HEAD_NEED_MORE);
	}
	enum head_result result = head_parse(copy, len, LIMIT, &head, &refusal);
	if (result != HEAD_OK) {
		print_error("not a head: %s: %s\n", refusal_name(refusal), text);
	}
	assert_int_equal(result, HEAD_OK);
	return request_judge(&head, request_r);
}

static void assert_slice(struct slice slice, const char *text)
{
	if (text == NULL) {
		assert_null(slice.at);
		return;
	}
	assert_non_null(slice.at);
	if (!slice_equals(slice, text)) {
		print_error("'%.*s' is not '%s'\n", (int)slice.len, slice.at, text);
	}
	assert_int_equal(slice.len, strlen(text));
	assert_memory_equal(slice.at, text, slice.len);
}

struct valid_row {
	const char *rfc, *text;
	const char *host_name, *host_port, *path, *query;
};

#define PLACE(rfc, target, path, query)                            \
	{                                                          \
		rfc, GET(target), "example.org", NULL, path, query \
	}
#define NAMES(rfc, host, name, port)                     \
	{                                                \
		rfc, AT(host), name, port, "/chat", NULL \
	}
#define FIELD(rfc, field)                                            \
	{                                                            \
		rfc, WITH(field), "example.org", NULL, "/chat", NULL \
	}
#define WEIRD(rfc, text)                                      \
	{                                                     \
		rfc, text, "example.org", NULL, "/chat", NULL \
	}

static const struct valid_row valid_rows[] = {
	PLACE("9112 3.2.1", "/", "/", NULL),
	PLACE("9112 3.2.1", "/a/b", "/a/b", NULL),
	PLACE("9112 3.2.1", "//a//", "//a//", NULL),
	PLACE("9112 3.2.1", "/?", "/", ""),
	PLACE("9112 3.2.1", "/a?b=c&d", "/a", "b=c&d"),
	PLACE("9112 3.2.2", "http://example.org/a?b", "/a", "b"),
	PLACE("9112 3.2.2", "HTTPS://EXAMPLE.org/a", "/a", NULL),
	PLACE("9112 3.2.2", "ws://example.org/", "/", NULL),
	PLACE("9112 3.2.2", "wss://example.org", "/", NULL),
	PLACE("9112 3.2.2", "ws://example.org?a", "/", "a"),
	PLACE("3986 3.3", "/-._~!$&'()*+,;=:@09azAZ", "/-._~!$&'()*+,;=:@09azAZ", NULL),
	PLACE("3986 3.3", "/%20%c3%A4", "/%20%c3%A4", NULL),
	PLACE("3986 3.3", "/.../.a/a./..b/%2e%2e%2e", "/.../.a/a./..b/%2e%2e%2e", NULL),
	PLACE("3986 3.4", "/?/?:@../%00%2e", "/", "/?:@../%00%2e"),
	NAMES("3986 3.2.2", "a", "a", NULL),
	NAMES("3986 3.2.2", "EXAMPLE.org.", "EXAMPLE.org.", NULL),
	NAMES("3986 3.2.2", "127.0.0.1", "127.0.0.1", NULL),
	NAMES("3986 3.2.2", "1.2.3.4.example", "1.2.3.4.example", NULL),
	NAMES("3986 3.2.2", "123", "123", NULL),
	NAMES("3986 3.2.2", "a_b-c~!$&'()*+;=%c3", "a_b-c~!$&'()*+;=%c3", NULL),
	NAMES("3986 3.2.2", "[::1]", "[::1]", NULL),
	NAMES("3986 3.2.2", "[::ffff:1.2.3.4]:80", "[::ffff:1.2.3.4]", "80"),
	NAMES("3986 3.2.3", "a:0", "a", "0"),
	NAMES("3986 3.2.3", "a:65535", "a", "65535"),
	NAMES("9110 5.5", "\t a:1 \t", "a", "1"),
	WEIRD("9110 5.1", LINE "hOST: example.org\r\nUPGRADE: WebSocket\r\nconnection: uPGRADE\r\n"
			       "sec-websocket-version: 13\r\n"
			       "SEC-WEBSOCKET-KEY: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
	WEIRD("9110 7.8", LINE HOST "Upgrade: h2c, websocket\r\n" REST),
	WEIRD("9110 7.8", LINE HOST "Upgrade: h2c\r\n" UPGRADE REST),
	WEIRD("9110 7.6.1",
	      LINE HOST UPGRADE "Connection: keep-alive, Upgrade\r\n" VERSION KEY "\r\n"),
	WEIRD("9110 7.6.1", LINE HOST UPGRADE "Connection: keep-alive\r\n" REST),
	WEIRD("9110 5.6.1.2", LINE HOST UPGRADE "Connection: ,upgrade ,, x\r\n" VERSION KEY "\r\n"),
	FIELD("9112 6.2", "Content-Length: 0"),
	FIELD("9110 10.1.1", "Expect: 100-continue"),
	FIELD("6454 7", "Origin: https://example.org"),
	FIELD("6455 11.3.4", "Sec-WebSocket-Protocol: chat"),
	FIELD("6455 11.3.4", "Sec-WebSocket-Protocol: chat, Chat,superchat"),
	FIELD("6455 11.3.4", "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b"),
	FIELD("6455 9.1", "Sec-WebSocket-Extensions: a"),
	FIELD("6455 9.1", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"),
	FIELD("6455 9.1", "Sec-WebSocket-Extensions: a;b=\"10\"; c=d ,e\r\n"
			  "Sec-WebSocket-Extensions: f"),
	FIELD("6455 9.1", "Sec-WebSocket-Extensions: a;b=\"\\1\\0\""),
	FIELD("6455 4.3", "Sec-WebSocket-Extensions: a ; b = c"),
};

static void test_request_accepts_valid_upgrades(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(valid_rows); i++) {
		const struct valid_row *row = &valid_rows[i];
		struct request request;
		enum refusal refusal = judge_text(row->text, &request);
		if (refusal != REFUSAL_NONE) {
			print_error("row %zu (RFC %s): %s: %s\n", i, row->rfc,
				    refusal_name(refusal), row->text);
		}
		assert_int_equal(refusal, REFUSAL_NONE);
		assert_true(request.is_upgrade);
		assert_ptr_equal(request.head, &head);
		assert_slice(request.host_name, row->host_name);
		assert_slice(request.host_port, row->host_port);
		assert_slice(request.path, row->path);
		assert_slice(request.query, row->query);
		assert_slice(request.key, "dGhlIHNhbXBsZSBub25jZQ==");
	}
}

struct invalid_row {
	const char *rfc, *text;
	enum refusal refusal;
};

#define KEYED(key) LINE HOST UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: " key "\r\n\r\n"

static const struct invalid_row invalid_rows[] = {
	{"9112 3.2", GET("chat"), REFUSAL_BAD_TARGET},
	{"9112 3.2", GET("?a"), REFUSAL_BAD_TARGET},
	{"9112 3.2", GET("ftp://example.org/"), REFUSAL_BAD_TARGET},
	{"9112 3.2", GET("http:/example.org/"), REFUSAL_BAD_TARGET},
	{"9112 3.2.3", GET("example.org:80"), REFUSAL_BAD_TARGET},
	{"9112 3.2.4", GET("*"), REFUSAL_BAD_TARGET},
	{"9112 3.2.4", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", REFUSAL_BAD_TARGET},
	{"9112 3.2.3", "CONNECT example.org:80 HTTP/1.1\r\n" HOST "\r\n", REFUSAL_METHOD},
	{"9110 9.3.8", "TRACE / HTTP/1.1\r\n" HOST "\r\n", REFUSAL_METHOD},
	{"9112 3.2.2", GET("http://example.com/"), REFUSAL_HOST},
	{"9112 3.2.2", GET("http://example.org.evil/"), REFUSAL_HOST},
	{"9112 3.2.2", GET("http://example.org:80/"), REFUSAL_HOST},
	{"9112 3.2.2", GET("http://user@example.org/"), REFUSAL_HOST},
	{"9112 3.2.2", GET("http:///chat"), REFUSAL_HOST},
	{"9112 3.2.2", GET("http://"), REFUSAL_HOST},
	{"9112 3.2", LINE UPGRADE REST, REFUSAL_HOST},
	{"9112 3.2", LINE HOST WHOLE, REFUSAL_HOST},
	{"9112 3.2", AT(""), REFUSAL_HOST},
	{"3986 3.2.1", AT("user@example.org"), REFUSAL_HOST},
	{"3986 3.2.2", AT("a b"), REFUSAL_HOST},
	{"3986 3.2.2", AT("a/b"), REFUSAL_HOST},
	{"3986 3.2.2", AT("a?b"), REFUSAL_HOST},
	{"3986 3.2.2", AT("a#b"), REFUSAL_HOST},
	{"3986 3.2.2", AT("a\\b"), REFUSAL_HOST},
	{"3986 3.2.2", AT("a\xc3\xa4"), REFUSAL_HOST},
	{"3986 3.2.2", AT("a%zz"), REFUSAL_HOST},
	{"3986 3.2.2", AT("a%4"), REFUSAL_HOST},
	{"3986 3.2.2", AT("1.2.3.400"), REFUSAL_HOST},
	{"3986 3.2.2", AT("1.2.3"), REFUSAL_HOST},
	{"3986 3.2.2", AT("::1"), REFUSAL_HOST},
	{"3986 3.2.2", AT("[]"), REFUSAL_HOST},
	{"3986 3.2.2", AT("["), REFUSAL_HOST},
	{"3986 3.2.2", AT("[::1"), REFUSAL_HOST},
	{"3986 3.2.2", AT("[::1]x"), REFUSAL_HOST},
	{"3986 3.2.2", AT("[::g]"), REFUSAL_HOST},
	{"3986 3.2.2", AT("[127.0.0.1]"), REFUSAL_HOST},
	{"6874 2", AT("[fe80::1%25eth0]"), REFUSAL_HOST},
	{"3986 3.2.2", AT("[1:2:3:4:5:6:7:8:1:2:3:4:5:6:7:8:1:2:3:4:5:6:7:8]"), REFUSAL_HOST},
	{"3986 3.2.3", AT(":80"), REFUSAL_HOST},
	{"3986 3.2.3", AT("a:"), REFUSAL_HOST},
	{"3986 3.2.3", AT("a:65536"), REFUSAL_HOST},
	{"3986 3.2.3", AT("a:000080"), REFUSAL_HOST},
	{"3986 3.2.3", AT("a:8x"), REFUSAL_HOST},
	{"3986 3.2.3", AT("a:80:80"), REFUSAL_HOST},
	{"3986 3.2.3", AT("a:-1"), REFUSAL_HOST},
	{"3986 2.1", GET("/%"), REFUSAL_PATH},
	{"3986 2.1", GET("/%4"), REFUSAL_PATH},
	{"3986 2.1", GET("/%4g"), REFUSAL_PATH},
	{"3986 2.1", GET("/%00"), REFUSAL_PATH},
	{"3986 3.3", GET("/a[b]"), REFUSAL_PATH},
	{"3986 3.3", GET("/a\\b"), REFUSAL_PATH},
	{"3986 3.3", GET("/<"), REFUSAL_PATH},
	{"3986 3.3", GET("/."), REFUSAL_PATH},
	{"3986 3.3", GET("/.."), REFUSAL_PATH},
	{"3986 3.3", GET("/./a"), REFUSAL_PATH},
	{"3986 3.3", GET("/a/../b"), REFUSAL_PATH},
	{"3986 3.3", GET("/%2e"), REFUSAL_PATH},
	{"3986 3.3", GET("/.%2E/"), REFUSAL_PATH},
	{"3986 3.3", GET("/a%2f..%2Fb"), REFUSAL_PATH},
	{"3986 3.3", GET("/a%5c..%5Cb"), REFUSAL_PATH},
	{"3986 3.3", GET("http://example.org/../a"), REFUSAL_PATH},
	{"3986 3.3", GET("/a/..;/b"), REFUSAL_PATH},
	{"3986 3.3", GET("/%2e;x=y"), REFUSAL_PATH},
	{"3986 3.4", GET("/?a=\"b\""), REFUSAL_PATH},
	{"3986 3.4", GET("/?%zz"), REFUSAL_PATH},
	{"3986 3.5", GET("/a#b"), REFUSAL_PATH},
	{"3986 3.5", GET("/?a#b"), REFUSAL_PATH},
	{"3986 3.5", GET("http://example.org#b"), REFUSAL_PATH},
	{"9112 6.1", WITH("Transfer-Encoding: chunked"), REFUSAL_FRAMING},
	{"9112 6.1", WITH("Transfer-Encoding: identity"), REFUSAL_FRAMING},
	{"9112 6.1", WITH("Transfer-Encoding:"), REFUSAL_FRAMING},
	{"9112 6.3", WITH("Content-Length: 0\r\nTransfer-Encoding: chunked"), REFUSAL_FRAMING},
	{"9112 6.2", WITH("Content-Length: 1"), REFUSAL_FRAMING},
	{"9112 6.2", WITH("Content-Length: 00"), REFUSAL_FRAMING},
	{"9112 6.2", WITH("Content-Length: +0"), REFUSAL_FRAMING},
	{"9112 6.2", WITH("Content-Length: 0, 0"), REFUSAL_FRAMING},
	{"9112 6.2", WITH("Content-Length:"), REFUSAL_FRAMING},
	{"9112 6.3", WITH("Content-Length: 0\r\nContent-Length: 0"), REFUSAL_DUPLICATE},
	{"6454 7.3", WITH("Origin: http://a\r\nOrigin: http://a"), REFUSAL_DUPLICATE},
	{"9112 6.3 3", BODY("Content-Length: 5\r\nTransfer-Encoding: chunked"), REFUSAL_FRAMING},
	{"9112 6.3 3", BODY("Transfer-Encoding: chunked\r\nContent-Length: 0"), REFUSAL_FRAMING},
	{"9112 6.3 3", BODY("Transfer-Encoding: gzip, chunked\r\nContent-Length: 5"),
	 REFUSAL_FRAMING},
	{"9112 6.3 5", BODY("Content-Length: 5\r\nContent-Length: 5"), REFUSAL_DUPLICATE},
	{"9112 6.3 5", BODY("Content-Length: 5\r\ncontent-length: 6"), REFUSAL_DUPLICATE},
	{"9112 6.3 5", BODY("Content-Length: 5, 5"), REFUSAL_FRAMING},
	{"9110 8.6", BODY("Content-Length:"), REFUSAL_FRAMING},
	{"9110 8.6", BODY("Content-Length: +5"), REFUSAL_FRAMING},
	{"9110 8.6", BODY("Content-Length: -5"), REFUSAL_FRAMING},
	{"9110 8.6", BODY("Content-Length: 0x5"), REFUSAL_FRAMING},
	{"9110 8.6", BODY("Content-Length: 5 5"), REFUSAL_FRAMING},
	{"9110 8.6", BODY("Content-Length: 5.0"), REFUSAL_FRAMING},
	{"9110 8.6", BODY("Content-Length: \"5\""), REFUSAL_FRAMING},
	{"9110 8.6", BODY("Content-Length: \xd9\xa5"), REFUSAL_FRAMING},
	{"9110 8.6", BODY("Content-Length: 9223372036854775808"), REFUSAL_FRAMING},
	{"9110 8.6", BODY("Content-Length: 18446744073709551621"), REFUSAL_FRAMING},
	{"9112 6.1", BODY("Transfer-Encoding: gzip, chunked"), REFUSAL_CODING},
	{"9112 6.1", BODY("Transfer-Encoding: gzip\r\nTransfer-Encoding: Chunked"), REFUSAL_CODING},
	{"9112 6.3 4", BODY("Transfer-Encoding:"), REFUSAL_FRAMING},
	{"9112 6.3 4", BODY("Transfer-Encoding: identity"), REFUSAL_FRAMING},
	{"9112 6.3 4", BODY("Transfer-Encoding: gzip"), REFUSAL_FRAMING},
	{"9112 6.3 4", BODY("Transfer-Encoding: chunked, gzip"), REFUSAL_FRAMING},
	{"9112 6.3 4", BODY("Transfer-Encoding: chunkedx"), REFUSAL_FRAMING},
	{"9112 6.3 4", BODY("Transfer-Encoding: x chunked"), REFUSAL_FRAMING},
	{"9112 6.3 4", BODY("Transfer-Encoding: \"chunked\""), REFUSAL_FRAMING},
	{"9112 6.1", BODY("Transfer-Encoding: chunked, chunked"), REFUSAL_FRAMING},
	{"9112 6.1", BODY("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
	 REFUSAL_FRAMING},
	{"9112 7.1", BODY("Transfer-Encoding: chunked;a=b"), REFUSAL_FRAMING},
	{"9110 5.6.1", BODY("Transfer-Encoding: ,chunked"), REFUSAL_FRAMING},
	{"9110 5.6.1", BODY("Transfer-Encoding: chunked,"), REFUSAL_FRAMING},
	{"9110 9.3.6", "CONNECT /chat HTTP/1.1\r\n" HOST "\r\n", REFUSAL_METHOD},
	{"9110 9.3.8", "TRACE /chat HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", REFUSAL_METHOD},
	{"9112 3.2", "POST /chat HTTP/1.1\r\n\r\n", REFUSAL_HOST},
	{"6454 7.3", BODY("Origin: http://a\r\nOrigin: http://a"), REFUSAL_DUPLICATE},
	{"9110 7.6.1", BODY("Connection: close, origin"), REFUSAL_CONNECTION},
	{"9110 7.6.1", BODY("Connection: a b"), REFUSAL_CONNECTION},
	{"6455 4.1", "POST /chat HTTP/1.1\r\n" WHOLE, REFUSAL_METHOD},
	{"6455 4.1", "get /chat HTTP/1.1\r\n" WHOLE, REFUSAL_METHOD},
	{"6455 4.1", "HEAD /chat HTTP/1.1\r\n" WHOLE, REFUSAL_METHOD},
	{"6455 4.2.1", LINE HOST UPGRADE VERSION KEY "\r\n", REFUSAL_CONNECTION},
	{"6455 4.2.1", LINE HOST UPGRADE "Connection: close\r\n" VERSION KEY "\r\n",
	 REFUSAL_CONNECTION},
	{"6455 4.2.1", LINE HOST UPGRADE "Connection: Upgraded\r\n" VERSION KEY "\r\n",
	 REFUSAL_CONNECTION},
	{"9110 7.6.1", WITH("Connection: a b"), REFUSAL_CONNECTION},
	{"9110 7.6.1", WITH("Connection: Sec-WebSocket-Key"), REFUSAL_CONNECTION},
	{"9110 7.6.1", WITH("Connection: origin"), REFUSAL_CONNECTION},
	{"9110 7.6.1", WITH("Connection: HOST"), REFUSAL_CONNECTION},
	{"6455 4.4", LINE HOST UPGRADE CONNECTION KEY "\r\n", REFUSAL_WS_VERSION},
	{"6455 4.4", LINE HOST UPGRADE CONNECTION "Sec-WebSocket-Version: 8\r\n" KEY "\r\n",
	 REFUSAL_WS_VERSION},
	{"6455 4.4", LINE HOST UPGRADE CONNECTION "Sec-WebSocket-Version: 013\r\n" KEY "\r\n",
	 REFUSAL_WS_VERSION},
	{"6455 4.4", LINE HOST UPGRADE CONNECTION "Sec-WebSocket-Version: 13, 8\r\n" KEY "\r\n",
	 REFUSAL_WS_VERSION},
	{"6455 11.3.5", WITH("Sec-WebSocket-Version: 13"), REFUSAL_DUPLICATE},
	{"6455 11.3.1", WITH("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), REFUSAL_DUPLICATE},
	{"6455 4.2.1", LINE HOST UPGRADE CONNECTION VERSION "\r\n", REFUSAL_KEY},
	{"6455 4.2.1", KEYED(""), REFUSAL_KEY},
	{"6455 4.2.1", KEYED("dGhlIHNhbXBsZSBub25jZQ="), REFUSAL_KEY},
	{"6455 4.2.1", KEYED("dGhlIHNhbXBsZSBub25jZQ==="), REFUSAL_KEY},
	{"6455 4.2.1", KEYED("dGhlIHNhbXBsZSBub25jZQAA"), REFUSAL_KEY},
	{"6455 4.2.1", KEYED("dGhlIHNhbXBsZSBub25jZQ=A"), REFUSAL_KEY},
	{"6455 4.2.1", KEYED("dGhlIHNhbXBsZSBub25jZTE="), REFUSAL_KEY},
	{"6455 4.2.1", KEYED("dGhlIHNhbXBsZSBub25j=Q=="), REFUSAL_KEY},
	{"4648 5", KEYED("dGhlIHNhbXBsZSBub25j-Q=="), REFUSAL_KEY},
	{"4648 3.5", KEYED("dGhlIHNhbXBsZSBub25jZR=="), REFUSAL_KEY},
	{"6455 4.1", WITH("Sec-WebSocket-Protocol:"), REFUSAL_WS_FIELD},
	{"6455 4.1", WITH("Sec-WebSocket-Protocol: a,,b"), REFUSAL_WS_FIELD},
	{"6455 4.1", WITH("Sec-WebSocket-Protocol: a b"), REFUSAL_WS_FIELD},
	{"6455 4.1", WITH("Sec-WebSocket-Protocol: a, b, a"), REFUSAL_WS_FIELD},
	{"6455 4.1", WITH("Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a"),
	 REFUSAL_WS_FIELD},
	{"6455 9.1", WITH("Sec-WebSocket-Extensions:"), REFUSAL_WS_FIELD},
	{"6455 9.1", WITH("Sec-WebSocket-Extensions: a,"), REFUSAL_WS_FIELD},
	{"6455 9.1", WITH("Sec-WebSocket-Extensions: a;"), REFUSAL_WS_FIELD},
	{"6455 9.1", WITH("Sec-WebSocket-Extensions: ;a"), REFUSAL_WS_FIELD},
	{"6455 9.1", WITH("Sec-WebSocket-Extensions: a b"), REFUSAL_WS_FIELD},
	{"6455 9.1", WITH("Sec-WebSocket-Extensions: a;b="), REFUSAL_WS_FIELD},
	{"6455 9.1", WITH("Sec-WebSocket-Extensions: a;=b"), REFUSAL_WS_FIELD},
	{"6455 9.1", WITH("Sec-WebSocket-Extensions: a;b=c=d"), REFUSAL_WS_FIELD},
	{"6455 9.1", WITH("Sec-WebSocket-Extensions: a;b=\"\""), REFUSAL_WS_FIELD},
	{"6455 9.1", WITH("Sec-WebSocket-Extensions: a;b=\"c d\""), REFUSAL_WS_FIELD},
	{"6455 9.1", WITH("Sec-WebSocket-Extensions: a;b=\"c,d\""), REFUSAL_WS_FIELD},
	{"6455 9.1", WITH("Sec-WebSocket-Extensions: a;b=\"c"), REFUSAL_WS_FIELD},
	{"6455 9.1", WITH("Sec-WebSocket-Extensions: a;b=\""), REFUSAL_WS_FIELD},
	{"6455 9.1", WITH("Sec-WebSocket-Extensions: a;b=\"c\\\""), REFUSAL_WS_FIELD},
};

static void test_request_refuses_what_the_rfcs_do_not_allow(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(invalid_rows); i++) {
		const struct invalid_row *row = &invalid_rows[i];
		struct request request, untouched;
		memset(&request, 0xa5, sizeof request);
		memset(&untouched, 0xa5, sizeof untouched);
		enum refusal refusal = judge_text(row->text, &request);
		if (refusal != row->refusal) {
			print_error("row %zu (RFC %s): %s: %s\n", i, row->rfc,
				    refusal_name(refusal), row->text);
		}
		assert_int_equal(refusal, row->refusal);
		assert_memory_equal(&request, &untouched, sizeof request);
	}
}

struct plain_row {
	const char *rfc, *text;
	const char *length; /* NULL: no Content-Length */
	bool is_chunked;
};

static const struct plain_row plain_rows[] = {
	{"9112 6.3 7", LINE HOST "\r\n", NULL, false},
	{"9112 6.3 7", POST "\r\n", NULL, false},
	{"9110 9.3.2", "HEAD /chat HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", NULL, false},
	{"9110 9.1", "get /chat HTTP/1.1\r\n" HOST "\r\n", NULL, false},
	{"9110 16.1.1", "X-PURGE /chat HTTP/1.1\r\n" HOST "\r\n", NULL, false},
	{"9110 9.3.7", "OPTIONS /chat HTTP/1.1\r\n" HOST "\r\n", NULL, false},
	{"9110 9.3.1", LINE HOST "Content-Length: 5\r\n\r\n", "5", false},
	{"9110 8.6", BODY("Content-Length: 0"), "0", false},
	{"9110 8.6", BODY("Content-Length: \t5 "), "5", false},
	{"9110 8.6", BODY("Content-Length: 007"), "007", false},
	{"9110 8.6", BODY("Content-Length: 9223372036854775807"), "9223372036854775807", false},
	{"9112 7.1", BODY("Transfer-Encoding: chunked"), NULL, true},
	{"9112 7", BODY("transfer-encoding: ChunKed"), NULL, true},
	{"9110 10.1.1", BODY("Expect: 100-continue\r\nContent-Length: 1"), "1", false},
	{"9110 7.6.1", POST "Connection: keep-alive, TE\r\n\r\n", NULL, false},
	{"9110 7.8", LINE HOST "Upgrade: h2c\r\n" REST, NULL, false},
	{"9110 7.8", LINE HOST "Upgrade:\r\n" REST, NULL, false},
	{"9110 7.8", LINE HOST "Upgrade: websocket/13\r\n" REST, NULL, false},
	{"9110 7.8", LINE HOST "Upgrade: websockets\r\n" REST, NULL, false},
};

static void test_request_without_upgrade_is_plain_http(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(plain_rows); i++) {
		const struct plain_row *row = &plain_rows[i];
		struct request request;
		enum refusal refusal = judge_text(row->text, &request);
		if (refusal != REFUSAL_NONE) {
			print_error("row %zu (RFC %s): %s: %s\n", i, row->rfc,
				    refusal_name(refusal), row->text);
		}
		assert_int_equal(refusal, REFUSAL_NONE);
		assert_false(request.is_upgrade);
		assert_null(request.key.at);
		assert_slice(request.path, "/chat");
		assert_slice(request.length, row->length);
		assert_int_equal(request.is_chunked, row->is_chunked);
	}
}

/* prefix, then "item0,item1,..." count times, then suffix. */
static enum refusal judge_list(const char *field, unsigned count)
{
	static char text[8192];
	int len = snprintf(text, sizeof text, LINE HOST UPGRADE "%s: ", field);
	for (unsigned i = 0; i < count; i++) {
		len += snprintf(text + len, sizeof text - (size_t)len, "a%u,", i);
	}
	snprintf(text + len - 1, sizeof text - (size_t)len, "\r\n" REST);
	struct request request;
	return judge_text(text, &request);
}

static void test_request_bounds_the_lists_that_are_compared(void **state)
{
	(void)state;
	assert_int_equal(judge_list("Sec-WebSocket-Protocol", 64), REFUSAL_NONE);
	assert_int_equal(judge_list("Sec-WebSocket-Protocol", 65), REFUSAL_WS_FIELD);
	assert_int_equal(judge_list("Connection", 31), REFUSAL_NONE);
	assert_int_equal(judge_list("Connection", 32), REFUSAL_CONNECTION);
}

static void assert_written(const char *text, const char *wanted)
{
	struct request request;
	char buf[2048];
	assert_int_equal(judge_text(text, &request), REFUSAL_NONE);
	size_t len = request_write_head(&request, buf, sizeof buf);
	assert_slice((struct slice){buf, len}, wanted);
	for (size_t size = 0; size < len; size++) {
		char *exact = malloc(size > 0 ? size : 1);
		assert_int_equal(request_write_head(&request, exact, size), 0);
		free(exact);
	}
	assert_int_equal(request_write_head(&request, buf, len), len);
	assert_slice((struct slice){buf, len}, wanted);
}

#define CANONICAL "Host: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"

static void test_canonical_head_keeps_the_client_s_fields_in_order(void **state)
{
	(void)state;
	assert_written(GET("/a%20b?c=d"),
		       "GET /a%20b?c=d HTTP/1.1\r\n" CANONICAL VERSION KEY "\r\n");
	assert_written(GET("/?"), "GET /? HTTP/1.1\r\n" CANONICAL VERSION KEY "\r\n");
	assert_written(GET("ws://example.org?a"),
		       "GET /?a HTTP/1.1\r\n" CANONICAL VERSION KEY "\r\n");
	assert_written(WITH("cookie:  a=b \r\nX-Empty:\r\nCookie: c=\xc3\xa4\r\nOrigin: http://a"),
		       LINE CANONICAL "cookie: a=b\r\nX-Empty: \r\nCookie: c=\xc3\xa4\r\n"
				      "Origin: http://a\r\n" VERSION KEY "\r\n");
}

static void test_canonical_head_withholds_hop_by_hop_and_forwarding_fields(void **state)
{
	(void)state;
	static const char *const withheld[] = {
		"Keep-Alive: timeout=5",
		"Proxy-Connection: keep-alive",
		"TE: trailers",
		"Trailer: a",
		"Proxy-Authorization: Basic YTpi",
		"Content-Length: 0",
		"Transfer_Encoding: chunked",
		"content_length: 7",
		"Forwarded: for=1.2.3.4",
		"x-forwarded-for: 1.2.3.4",
		"X-Forwarded-Proto: https",
		"X_Forwarded_For: 1.2.3.4",
		"X-FORWARDED_host: a",
		"X-Forwarded-: a",
		"X-Real-IP: 1.2.3.4",
		"x_real_ip: 1.2.3.4",
		"keep_alive: 1",
		"Connection: X-Hop\r\nx-hop: 1",
		"Upgrade: h2c",
	};
	for (size_t i = 0; i < ARRAY_SIZE(withheld); i++) {
		char text[1024];
		snprintf(text, sizeof text, LINE HOST UPGRADE "X-A: b\r\n%s\r\n" REST, withheld[i]);
		assert_written(text, LINE CANONICAL "X-A: b\r\n" VERSION KEY "\r\n");
	}
}

static void test_canonical_head_keeps_names_that_only_resemble_the_withheld(void **state)
{
	(void)state;
	assert_written(WITH("X-Forwarded: a\r\nForwardedX: b\r\nTEa: c\r\nX-Real-IPs: d"),
		       LINE CANONICAL
		       "X-Forwarded: a\r\nForwardedX: b\r\nTEa: c\r\nX-Real-IPs: d\r\n" VERSION KEY
		       "\r\n");
}

#define PLAIN HOST "Connection: close\r\n"

static void test_canonical_head_of_a_plain_request_frames_its_body(void **state)
{
	(void)state;
	assert_written(LINE HOST "\r\n", LINE PLAIN "\r\n");
	assert_written("HEAD http://example.org/chat?a HTTP/1.1\r\n" HOST "\r\n",
		       "HEAD /chat?a HTTP/1.1\r\n" PLAIN "\r\n");
	assert_written(BODY("X-A: b\r\nContent-Length: 5\r\nExpect: 100-continue"),
		       "POST /chat HTTP/1.1\r\n" PLAIN "Content-Length: 5\r\nX-A: b\r\n"
		       "Expect: 100-continue\r\n\r\n");
	assert_written(BODY("transfer-encoding: CHUNKED\r\nTrailer: X-Sum"),
		       "POST /chat HTTP/1.1\r\n" PLAIN "Transfer-Encoding: chunked\r\n\r\n");
	/* What Connection names goes; not what says where the body ends. */
	assert_written(BODY("Content-Length: 5\r\nConnection: keep-alive, Content-Length, X-A\r\n"
			    "X-A: b"),
		       "POST /chat HTTP/1.1\r\n" PLAIN "Content-Length: 5\r\n\r\n");
	assert_written(BODY("Content-Length: 5\r\nContent_Length: 9\r\nTransfer_Encoding: chunked"),
		       "POST /chat HTTP/1.1\r\n" PLAIN "Content-Length: 5\r\n\r\n");
}

static void test_canonical_head_of_a_plain_request_is_no_upgrade(void **state)
{
	(void)state;
	static const char *const withheld[] = {
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
		"sec_websocket_key: dGhlIHNhbXBsZSBub25jZQ==",
		"Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Protocol: a",
		"Upgrade: h2c",
		"Connection: Upgrade",
		"Keep-Alive: timeout=5",
		"X-Forwarded-For: 1.2.3.4",
	};
	for (size_t i = 0; i < ARRAY_SIZE(withheld); i++) {
		char text[1024];
		snprintf(text, sizeof text, LINE HOST "X-A: b\r\n%s\r\n\r\n", withheld[i]);
		assert_written(text, LINE PLAIN "X-A: b\r\n\r\n");
	}
}

static void test_request_gives_the_first_value_of_a_query_key(void **state)
{
	(void)state;
	struct request request;
	judge_text(GET("/?room=a%20b&x&room=c&=d&empty=&y=1=2"), &request);
	assert_slice(request_query(&request, slice_of("room")), "a%20b");
	assert_slice(request_query(&request, slice_of("x")), "");
	assert_slice(request_query(&request, slice_of("empty")), "");
	assert_slice(request_query(&request, slice_of("y")), "1=2");
	assert_slice(request_query(&request, slice_of("roo")), NULL);
	assert_slice(request_query(&request, slice_of("Room")), NULL);
	judge_text(GET("/"), &request);
	assert_slice(request_query(&request, slice_of("room")), NULL);
}

static void test_request_gives_the_first_cookie_of_a_name(void **state)
{
	(void)state;
	struct request request;
	judge_text(WITH("Cookie: a=1; id=\"x=y\";b=; lone\r\nCookie: id=2; c=3"), &request);
	assert_slice(request_cookie(&request, slice_of("a")), "1");
	assert_slice(request_cookie(&request, slice_of("id")), "\"x=y\"");
	assert_slice(request_cookie(&request, slice_of("b")), "");
	assert_slice(request_cookie(&request, slice_of("c")), "3");
	assert_slice(request_cookie(&request, slice_of("lone")), NULL);
	assert_slice(request_cookie(&request, slice_of("i")), NULL);
	judge_text(GET("/"), &request);
	assert_slice(request_cookie(&request, slice_of("a")), NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request_accepts_valid_upgrades),
		cmocka_unit_test(test_request_refuses_what_the_rfcs_do_not_allow),
		cmocka_unit_test(test_request_without_upgrade_is_plain_http),
		cmocka_unit_test(test_request_bounds_the_lists_that_are_compared),
		cmocka_unit_test(test_canonical_head_keeps_the_client_s_fields_in_order),
		cmocka_unit_test(test_canonical_head_withholds_hop_by_hop_and_forwarding_fields),
		cmocka_unit_test(test_canonical_head_keeps_names_that_only_resemble_the_withheld),
		cmocka_unit_test(test_canonical_head_of_a_plain_request_frames_its_body),
		cmocka_unit_test(test_canonical_head_of_a_plain_request_is_no_upgrade),
		cmocka_unit_test(test_request_gives_the_first_value_of_a_query_key),
		cmocka_unit_test(test_request_gives_the_first_cookie_of_a_name),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(copy);
	return failed;
}
