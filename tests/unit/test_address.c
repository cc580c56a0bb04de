/* SPDX-License-Identifier: MIT */
/*
 * Small leaves: a client's address and its text; Unix-domain socket addresses, and which file may
 * be removed to make way for a bind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "address.h"
#include "descriptors.h"
#include "unixsock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define ROWS(table) (sizeof(table) / sizeof(table)[0])

/* ---- addresses of clients ---- */

static struct sockaddr_storage sockaddr_of(int family, const char *ip, unsigned port)
{
	struct sockaddr_storage storage = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)&storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&storage;
	storage.ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		in->sin_port = htons((uint16_t)port);
		assert_int_equal(inet_pton(family, ip, &in->sin_addr), 1);
	} else if (family == AF_INET6) {
		in6->sin6_port = htons((uint16_t)port);
		assert_int_equal(inet_pton(family, ip, &in6->sin6_addr), 1);
	}
	return storage;
}

static void test_address_becomes_text(void **state)
{
	(void)state;
	static const struct {
		int family;
		const char *ip;
		unsigned port;
		enum address_family expected;
		const char *ip_text, *text;
	} rows[] = {
		{AF_INET, "192.0.2.1", 80, ADDRESS_IPV4, "192.0.2.1", "192.0.2.1:80"},
		{AF_INET, "0.0.0.0", 0, ADDRESS_IPV4, "0.0.0.0", "0.0.0.0:0"},
		{AF_INET, "255.255.255.255", 65535, ADDRESS_IPV4, "255.255.255.255",
		 "255.255.255.255:65535"},
		{AF_INET, "10.20.100.9", 9, ADDRESS_IPV4, "10.20.100.9", "10.20.100.9:9"},
		{AF_INET6, "2001:db8::1", 80, ADDRESS_IPV6, "2001:db8::1", "[2001:db8::1]:80"},
		{AF_INET6, "::", 1, ADDRESS_IPV6, "::", "[::]:1"},
		{AF_INET6, "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", 65535, ADDRESS_IPV6,
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		 "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
		{AF_INET6, "::ffff:192.0.2.1", 80, ADDRESS_IPV4, "192.0.2.1", "192.0.2.1:80"},
		{AF_UNIX, NULL, 0, ADDRESS_UNIX, "unix", "unix"},
		{AF_UNSPEC, NULL, 0, ADDRESS_UNIX, "unix", "unix"},
	};
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct sockaddr_storage from =
			sockaddr_of(rows[i].family, rows[i].ip, rows[i].port);
		struct address address;
		char ip[ADDRESS_TEXT_BYTES], text[ADDRESS_TEXT_BYTES];
		address_from_sockaddr(&address, &from);
		size_t ip_len = address_write_ip(&address, ip), len = address_write(&address, text);
		if (strcmp(ip, rows[i].ip_text) != 0 || strcmp(text, rows[i].text) != 0 ||
		    ip_len != strlen(ip) || len != strlen(text) ||
		    address.family != rows[i].expected) {
			fail_msg("row %zu: %s: %s, %s", i, rows[i].ip, ip, text);
		}
	}
}

static void test_address_of_a_client_is_one_whatever_the_listener(void **state)
{
	(void)state;
	struct sockaddr_storage plain = sockaddr_of(AF_INET, "192.0.2.1", 80);
	struct sockaddr_storage mapped = sockaddr_of(AF_INET6, "::ffff:192.0.2.1", 80);
	struct address one, other;
	address_from_sockaddr(&one, &plain);
	address_from_sockaddr(&other, &mapped);
	assert_memory_equal(one.ip, other.ip, sizeof one.ip);
	assert_int_equal(one.family, other.family);
	assert_int_equal(one.port, other.port);
}

/* ---- Unix-domain sockets ---- */

struct place {
	char directory[64];
	struct sockaddr_un address;
	size_t descriptors;
};

static struct place place;

static int setup(void **state)
{
	char path[sizeof place.directory + 8];
	(void)state;
	place.descriptors = descriptors_open();
	strcpy(place.directory, "/tmp/baton-test-XXXXXX");
	assert_non_null(mkdtemp(place.directory));
	snprintf(path, sizeof path, "%s/socket", place.directory);
	return unixsock_address(&place.address, path);
}

static int teardown(void **state)
{
	(void)state;
	unlink(place.address.sun_path);
	assert_int_equal(rmdir(place.directory), 0);
	assert_int_equal(descriptors_open(), place.descriptors);
	return 0;
}

static int bound(int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&place.address, sizeof place.address),
			 0);
	return fd;
}

static bool is_there(void)
{
	return access(place.address.sun_path, F_OK) == 0;
}

static void test_unixsock_address_takes_what_fits(void **state)
{
	(void)state;
	struct sockaddr_un address;
	char path[sizeof address.sun_path + 1];
	memset(path, 'x', sizeof path);
	path[sizeof address.sun_path] = '\0';
	assert_int_equal(unixsock_address(&address, path), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	path[sizeof address.sun_path - 1] = '\0';
	assert_int_equal(unixsock_address(&address, path), 0);
	assert_string_equal(address.sun_path, path);
	assert_int_equal(address.sun_family, AF_UNIX);
}

static void test_unixsock_claim_is_content_with_nothing_there(void **state)
{
	(void)state;
	assert_int_equal(unixsock_claim(&place.address), 0);
}

static void test_unixsock_claim_removes_what_a_dead_server_left(void **state)
{
	(void)state;
	int fd = bound(SOCK_STREAM);
	listen(fd, 1);
	close(fd);
	assert_true(is_there());
	assert_int_equal(unixsock_claim(&place.address), 0);
	assert_false(is_there());
}

static void test_unixsock_claim_leaves_a_server_that_answers(void **state)
{
	(void)state;
	int fd = bound(SOCK_STREAM);
	listen(fd, 0);
	for (int i = 0; i < 3; i++) { /* in the end its backlog is full */
		assert_int_equal(unixsock_claim(&place.address), -1);
		assert_int_equal(errno, EADDRINUSE);
		assert_true(is_there());
	}
	close(fd);
}

static void test_unixsock_claim_leaves_a_server_of_another_type(void **state)
{
	(void)state;
	int fd = bound(SOCK_DGRAM);
	assert_int_equal(unixsock_claim(&place.address), -1);
	assert_int_equal(errno, EADDRINUSE);
	assert_true(is_there());
	close(fd);
}

static void test_unixsock_claim_leaves_the_file_when_it_cannot_ask(void **state)
{
	(void)state;
	int fd = bound(SOCK_STREAM);
	listen(fd, 5);
	struct rlimit before = descriptors_limit(0);
	int result = unixsock_claim(&place.address), error = errno;
	descriptors_unlimit(before);
	assert_int_equal(result, -1);
	assert_int_equal(error, EMFILE);
	assert_true(is_there());
	close(fd);
}

static void test_unixsock_claim_leaves_what_is_no_socket(void **state)
{
	(void)state;
	int fd = open(place.address.sun_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(unixsock_claim(&place.address), -1);
	assert_int_equal(errno, EEXIST);
	close(fd);
	unlink(place.address.sun_path);
	assert_int_equal(symlink("/nowhere", place.address.sun_path), 0);
	assert_int_equal(unixsock_claim(&place.address), -1);
	assert_int_equal(errno, EEXIST);
}

static void test_unixsock_listen_gives_the_file_its_mode(void **state)
{
	(void)state;
	struct unixsock_file file;
	struct stat info;
	int fd = unixsock_listen(&place.address, 0640, 1, &file);
	assert_true(fd >= 0);
	assert_int_equal(stat(place.address.sun_path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0640);
	unixsock_remove(&place.address, &file);
	assert_false(is_there());
	close(fd);
}

static void test_unixsock_remove_leaves_the_file_of_another(void **state)
{
	(void)state;
	struct unixsock_file file, others;
	int fd = unixsock_listen(&place.address, 0600, 1, &file);
	unlink(place.address.sun_path);
	int other = unixsock_listen(&place.address, 0600, 1, &others);
	unixsock_remove(&place.address, &file);
	assert_true(is_there());
	close(fd);
	close(other);
}

#define unixsock_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address_becomes_text),
		cmocka_unit_test(test_address_of_a_client_is_one_whatever_the_listener),
		cmocka_unit_test(test_unixsock_address_takes_what_fits),
		unixsock_test(test_unixsock_claim_is_content_with_nothing_there),
		unixsock_test(test_unixsock_claim_removes_what_a_dead_server_left),
		unixsock_test(test_unixsock_claim_leaves_a_server_that_answers),
		unixsock_test(test_unixsock_claim_leaves_a_server_of_another_type),
		unixsock_test(test_unixsock_claim_leaves_the_file_when_it_cannot_ask),
		unixsock_test(test_unixsock_claim_leaves_what_is_no_socket),
		unixsock_test(test_unixsock_listen_gives_the_file_its_mode),
		unixsock_test(test_unixsock_remove_leaves_the_file_of_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
