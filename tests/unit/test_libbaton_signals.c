/* SPDX-License-Identifier: MIT */
/* What libbaton does with the signals of its process: SIGTERM in baton_run, SIGPIPE. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_gateway.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

typedef void action_fn(int);

static sem_t begun;
static volatile sig_atomic_t own_calls;

static action_fn *action_of(int number)
{
	struct sigaction now;
	assert_int_equal(sigaction(number, NULL, &now), 0);
	return now.sa_handler;
}

static int setup(void **state)
{
	sem_init(&begun, 0, 0);
	own_calls = 0;
	signal(SIGTERM, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	return fake_setup(state);
}

static int teardown(void **state)
{
	sem_destroy(&begun);
	return fake_teardown(state);
}

static void handle_own(int number)
{
	(void)number;
	own_calls++;
}

static void post_begun(void *data)
{
	(void)data;
	sem_post(&begun);
}

static void stop_it(void *data)
{
	baton_stop(data);
}

static void *terminate(void *data)
{
	(void)data;
	sem_wait(&begun);
	raise(SIGTERM); /* to this thread */
	return NULL;
}

static void raise_and_stop(void *data)
{
	raise(SIGTERM);
	baton_stop(data);
}

/* ---- SIGTERM ---- */

static void test_sigterm_drains_in_whichever_thread_it_comes(void **state)
{
	(void)state;
	pthread_t thread;
	int client = fake_connect(1, SOCK_STREAM);
	fake_write(client, FAKE_FIN | 8, "\x03\xe9", 2);
	assert_int_equal(pthread_create(&thread, NULL, terminate, NULL), 0);
	assert_non_null(baton_timer(fake_baton, 0, 0, post_begun, NULL));
	assert_int_equal(baton_run(fake_baton), 0);
	pthread_join(thread, NULL);
	assert_int_equal(fake_app.drained, 1);
	assert_int_equal(fake_app.closed, 1);
	close(client);
}

static void test_sigterm_drains_though_the_thread_had_blocked_it(void **state)
{
	(void)state;
	sigset_t term, now;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &term, NULL);
	raise(SIGTERM);
	assert_int_equal(baton_run(fake_baton), 0);
	assert_int_equal(fake_app.drained, 1);
	pthread_sigmask(SIG_UNBLOCK, &term, &now);
	assert_true(sigismember(&now, SIGTERM));
}

static void test_sigterm_behind_a_drain_is_harmless(void **state)
{
	(void)state;
	fake_say(HANDOFF_DRAIN, 0, "DEADLINE_MS=1000", 17);
	assert_int_equal(baton_run(fake_baton), 0);
	assert_ptr_equal(action_of(SIGTERM), SIG_IGN);
	raise(SIGTERM);
}

static void test_sigterm_is_fatal_again_after_a_stop(void **state)
{
	(void)state;
	assert_int_equal(baton_post(fake_baton, stop_it, fake_baton), 0);
	assert_int_equal(baton_run(fake_baton), 0);
	assert_ptr_equal(action_of(SIGTERM), SIG_DFL);
}

static void test_sigterm_in_the_last_turn_counts(void **state)
{
	(void)state;
	assert_int_equal(baton_post(fake_baton, raise_and_stop, fake_baton), 0);
	assert_int_equal(baton_run(fake_baton), 0);
	assert_ptr_equal(action_of(SIGTERM), SIG_IGN);
}

static void test_own_action_for_sigterm_stays(void **state)
{
	(void)state;
	signal(SIGTERM, handle_own);
	assert_int_equal(baton_post(fake_baton, raise_and_stop, fake_baton), 0);
	assert_int_equal(baton_run(fake_baton), 0);
	assert_int_equal(own_calls, 1);
	assert_int_equal(fake_app.drained, 0);
	assert_ptr_equal(action_of(SIGTERM), handle_own);
}

static void test_dispatch_leaves_sigterm_to_the_author(void **state)
{
	(void)state;
	fake_say(HANDOFF_DRAIN, 0, "DEADLINE_MS=1000", 17);
	assert_int_equal(fake_turns(), -2);
	assert_ptr_equal(action_of(SIGTERM), SIG_DFL);
}

/* ---- SIGPIPE ---- */

static void test_sigpipe_is_ignored_unless_the_author_cares(void **state)
{
	(void)state;
	assert_ptr_equal(action_of(SIGPIPE), SIG_IGN);
	fake_stop();
	signal(SIGPIPE, handle_own);
	fake_start();
	assert_ptr_equal(action_of(SIGPIPE), handle_own);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_sigterm_drains_in_whichever_thread_it_comes),
		TEST(test_sigterm_drains_though_the_thread_had_blocked_it),
		TEST(test_sigterm_behind_a_drain_is_harmless),
		TEST(test_sigterm_is_fatal_again_after_a_stop),
		TEST(test_sigterm_in_the_last_turn_counts),
		TEST(test_own_action_for_sigterm_stays),
		TEST(test_dispatch_leaves_sigterm_to_the_author),
		TEST(test_sigpipe_is_ignored_unless_the_author_cares),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}
