/* SPDX-License-Identifier: MIT */
/*
 * Counts and times of one run, and their JSON. Knows nothing of sockets. Called by the modes for
 * each connection that ends and by main at the end.
 */
#include "tally.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "clock.h"

enum { LINEAR_BITS = 6 };

static unsigned bucket_of(uint64_t ns)
{
	if (ns < (1U << LINEAR_BITS)) {
		return (unsigned)ns;
	}
	unsigned shift = 63U - (unsigned)__builtin_clzll(ns) - LINEAR_BITS;
	unsigned bucket = ((shift + 1) << LINEAR_BITS) + (unsigned)((ns >> shift) & 63U);
	return bucket < TALLY_BUCKETS ? bucket : TALLY_BUCKETS - 1;
}

static uint64_t top_of(unsigned bucket)
{
	if (bucket < (1U << LINEAR_BITS)) {
		return bucket;
	}
	unsigned shift = (bucket >> LINEAR_BITS) - 1;
	return ((uint64_t)(64U + (bucket & 63U)) + 1) << shift;
}

static uint64_t percentile(const struct tally_times *times, double share)
{
	uint64_t wanted = (uint64_t)((double)times->count * share);
	uint64_t seen = 0;
	for (unsigned i = 0; i < TALLY_BUCKETS; i++) {
		seen += times->bucket[i];
		if (seen > wanted) {
			return top_of(i) < times->max_ns ? top_of(i) : times->max_ns;
		}
	}
	return times->max_ns;
}

void tally_time(struct tally_times *times, uint64_t ns)
{
	times->bucket[bucket_of(ns)]++;
	times->count++;
	if (ns > times->max_ns) {
		times->max_ns = ns;
	}
}

void tally_upgrade(struct tally *tally, uint64_t ns)
{
	tally_time(&tally->upgrade, ns);
	tally->slow_10ms += ns > 10ULL * CLOCK_NS_PER_MS;
	tally->slow_40ms += ns > 40ULL * CLOCK_NS_PER_MS;
}

void tally_end(struct tally *tally, enum tally_outcome outcome, unsigned status)
{
	tally->ended[outcome]++;
	if (outcome == TALLY_REFUSED) {
		tally->refused[status < TALLY_STATUSES ? status : 0]++;
	}
}

void tally_unanswered(struct tally *tally, int fd)
{
	struct sockaddr_in own = {0};
	socklen_t len = sizeof own;
	if (tally->unanswered_count < TALLY_NAMED &&
	    getsockname(fd, (struct sockaddr *)&own, &len) == 0 && own.sin_family == AF_INET) {
		char ip[INET_ADDRSTRLEN];
		inet_ntop(AF_INET, &own.sin_addr, ip, sizeof ip);
		snprintf(tally->unanswered[tally->unanswered_count++], sizeof *tally->unanswered,
			 "%s:%u", ip, ntohs(own.sin_port));
	}
}

void tally_explain(struct tally *tally, const char *format, ...)
{
	if (tally->first_wrong[0] != '\0') {
		return;
	}
	va_list args;
	va_start(args, format);
	vsnprintf(tally->first_wrong, sizeof tally->first_wrong, format, args);
	va_end(args);
}

bool tally_is_clean(const struct tally *tally)
{
	return tally->ended[TALLY_OK] == tally->started &&
	       tally->messages_sent == tally->messages_ok;
}

static void print_times(const char *name, const struct tally_times *times)
{
	printf(", \"%s\": {\"count\": %" PRIu64 ", \"p50_ms\": %.3f, \"p99_ms\": %.3f, "
	       "\"max_ms\": %.3f}",
	       name, times->count, (double)percentile(times, 0.50) / CLOCK_NS_PER_MS,
	       (double)percentile(times, 0.99) / CLOCK_NS_PER_MS,
	       (double)times->max_ns / CLOCK_NS_PER_MS);
}

static void print_refused(const struct tally *tally)
{
	const char *comma = "";
	printf(", \"refused\": {");
	for (unsigned status = 0; status < TALLY_STATUSES; status++) {
		if (tally->refused[status] > 0) {
			printf("%s\"%u\": %" PRIu64, comma, status, tally->refused[status]);
			comma = ", ";
		}
	}
	printf("}");
}

static void print_unanswered(const struct tally *tally)
{
	printf(", \"unanswered\": [");
	for (size_t i = 0; i < tally->unanswered_count; i++) {
		printf("%s\"%s\"", i > 0 ? ", " : "", tally->unanswered[i]);
	}
	printf("]");
}

static double microseconds(struct timeval time)
{
	return (double)time.tv_sec * 1e6 + (double)time.tv_usec;
}

void tally_print(const struct tally *tally, const char *mode)
{
	struct rusage own;
	getrusage(RUSAGE_SELF, &own);
	double seconds = (double)(tally->end_ns - tally->begin_ns) / CLOCK_NS_PER_SEC;
	printf("{\"mode\": \"%s\", \"seconds\": %.6f, \"started\": %" PRIu64 ", \"ok\": %" PRIu64,
	       mode, seconds, tally->started, tally->ended[TALLY_OK]);
	print_refused(tally);
	printf(", \"reset\": %" PRIu64 ", \"eof\": %" PRIu64 ", \"wrong\": %" PRIu64
	       ", \"timeout\": %" PRIu64 ", \"unreachable\": %" PRIu64,
	       tally->ended[TALLY_RESET], tally->ended[TALLY_EOF], tally->ended[TALLY_WRONG],
	       tally->ended[TALLY_TIMEOUT], tally->ended[TALLY_UNREACHABLE]);
	printf(", \"messages_sent\": %" PRIu64 ", \"messages_ok\": %" PRIu64, tally->messages_sent,
	       tally->messages_ok);
	printf(", \"slow_10ms\": %" PRIu64 ", \"slow_40ms\": %" PRIu64, tally->slow_10ms,
	       tally->slow_40ms);
	print_unanswered(tally);
	print_times("upgrade", &tally->upgrade);
	print_times("echo", &tally->echo);
	printf(", \"load_cpu_us\": %.0f, \"first_wrong\": \"%s\"}\n",
	       microseconds(own.ru_utime) + microseconds(own.ru_stime), tally->first_wrong);
	fflush(stdout);
}
