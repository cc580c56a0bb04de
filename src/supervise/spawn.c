/* SPDX-License-Identifier: MIT */
/*
 * Processes: see spawn.h. fork, then everything that can fail is told through a close-on-exec pipe:
 * end of file means that the command runs. Death is seen by pidfd; the dead process is the leader
 * of its group, and the group is killed before it is reaped, while its number cannot be anybody
 * else's. Called by child.c and launch.c.
 */
#include "supervise/spawn.h"

#include "fdutil.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	CHANNEL_FD = 3, /* HANDOFF_CHILD_FD, as docs/protocol.md promises */
	REPORT_FD = 4,  /* closes by itself when the command runs */
};

struct process {
	struct process *next;
	struct spawner *spawner;
	unsigned token;
	pid_t pid;
	struct loop_io exit_io;   /* the pidfd */
	struct loop_io report_io; /* the pipe on which a failure to exec is told */
};

struct spawner {
	struct loop *loop;
	spawn_fn *fn;
	void *data;
	struct process *processes;
	char self_directory
		[4096]; /* where our own program lies: the children that ship are there */
};

/* What the child tells of itself when it cannot become the command. */
struct report {
	int error;
	char stage[16];
};

struct spawner *spawner_create(struct loop *loop, spawn_fn *fn, void *data)
{
	struct spawner *spawner = calloc(1, sizeof *spawner);
	if (spawner == NULL) {
		return NULL;
	}
	spawner->loop = loop;
	spawner->fn = fn;
	spawner->data = data;
	ssize_t len = readlink("/proc/self/exe", spawner->self_directory,
			       sizeof spawner->self_directory - 1);
	if (len > 0) {
		spawner->self_directory[len] = '\0';
		*strrchr(spawner->self_directory, '/') = '\0';
	}
	return spawner;
}

/* ---- in the child, between fork and exec: async-signal-safe calls, but for the user database
 * ---- */

static void die_reporting_to(int fd, const char *stage)
{
	struct report report = {.error = errno};
	strncpy(report.stage, stage, sizeof report.stage - 1);
	ssize_t written = write(fd, &report, sizeof report);
	_exit(written == (ssize_t)sizeof report ? 127 : 126);
}

static void die_reporting(const char *stage)
{
	die_reporting_to(REPORT_FD, stage);
}

/* 0-2, the channel and the report pipe, and nothing else whatever the gateway has open. */
static void arrange_descriptors(const struct spawn_request *request, int report)
{
	/* First out of the way of the numbers they are to get, in case they have one of them. */
	int high_channel = fcntl(request->channel, F_DUPFD_CLOEXEC, 16);
	int high_output = fcntl(request->output, F_DUPFD_CLOEXEC, 16);
	int high_report = fcntl(report, F_DUPFD_CLOEXEC, 16);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int high_null = fcntl(null, F_DUPFD_CLOEXEC, 16);
	if (high_channel < 0 || high_output < 0 || high_null < 0 || high_report < 0 ||
	    dup3(high_report, REPORT_FD, O_CLOEXEC) < 0) {
		die_reporting_to(report,
				 "dup2"); /* REPORT_FD is still something of the gateway's */
	}
	if (dup2(high_null, 0) < 0 || dup2(high_output, 1) < 0 || dup2(high_output, 2) < 0 ||
	    dup2(high_channel, CHANNEL_FD) < 0) {
		die_reporting("dup2");
	}
	if (syscall(SYS_close_range, REPORT_FD + 1, ~0u, 0) != 0) {
		die_reporting("close_range");
	}
}

static void reset_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	for (int number = 1; number < NSIG; number++) {
		signal(number, SIG_DFL);
	}
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void become_user(const struct spawn_request *request)
{
	const struct passwd *user = request->user != NULL ? getpwnam(request->user) : NULL;
	const struct group *group = request->group != NULL ? getgrnam(request->group) : NULL;
	if ((request->user != NULL && user == NULL) || (request->group != NULL && group == NULL)) {
		errno = ENOENT;
		die_reporting("user");
	}
	gid_t gid = group != NULL ? group->gr_gid : user != NULL ? user->pw_gid : getgid();
	/* The gateway's own supplementary groups are not the child's. */
	if ((user != NULL ? initgroups(user->pw_name, gid) : setgroups(1, &gid)) != 0 ||
	    setgid(gid) != 0) {
		die_reporting("setgid");
	}
	if (user != NULL && setuid(user->pw_uid) != 0) {
		die_reporting("setuid");
	}
}

static void exec_command(const struct spawner *spawner, const struct spawn_request *request)
{
	execvpe(request->command[0], request->command, request->environment);
	if (errno == ENOENT && strchr(request->command[0], '/') == NULL) {
		char path[sizeof spawner->self_directory + 256];
		snprintf(path, sizeof path, "%s/%.250s", spawner->self_directory,
			 request->command[0]);
		execve(path, request->command, request->environment);
	}
	die_reporting("exec");
}

static void run_child(const struct spawner *spawner, const struct spawn_request *request,
		      int report)
{
	setpgid(0, 0);
	arrange_descriptors(request, report);
	reset_signals();
	if (request->user != NULL || request->group != NULL) {
		become_user(request);
	}
	if (request->directory != NULL && chdir(request->directory) != 0) {
		die_reporting("chdir");
	}
	exec_command(spawner, request);
}

/* ---- in the gateway ---- */

static void process_free(struct process *process)
{
	struct process **at = &process->spawner->processes;
	while (*at != process) {
		at = &(*at)->next;
	}
	*at = process->next;
	int pidfd = process->exit_io.fd, report = process->report_io.fd;
	loop_io_remove(process->spawner->loop, &process->exit_io);
	loop_io_remove(process->spawner->loop, &process->report_io);
	fd_close(&pidfd);
	fd_close(&report);
	free(process);
}

static void handle_report(struct loop_io *io, unsigned events)
{
	(void)events;
	struct process *process = loop_owner(io, struct process, report_io);
	struct spawner *spawner = process->spawner;
	struct report report;
	ssize_t got = read(io->fd, &report, sizeof report);
	if (got < 0 && errno == EINTR) {
		return;
	}
	int fd = io->fd;
	loop_io_remove(spawner->loop, io);
	fd_close(&fd);
	if (got == (ssize_t)sizeof report) {
		struct spawn_event event = {.type = SPAWN_FAILED,
					    .token = process->token,
					    .pid = process->pid,
					    .stage = report.stage,
					    .error = report.error};
		spawner->fn(spawner->data, &event);
	}
}

/* The group, and the process itself in case it has left it. It is not reaped yet: the numbers are
 * its own. */
static void signal_process(const struct process *process, int signal)
{
	if (kill(-process->pid, signal) != 0 || signal == SIGKILL) {
		kill(process->pid, signal);
	}
}

static void handle_exit(struct loop_io *io, unsigned events)
{
	(void)events;
	struct process *process = loop_owner(io, struct process, exit_io);
	struct spawner *spawner = process->spawner;
	if (process->report_io.fd >= 0) {
		handle_report(&process->report_io, LOOP_READ); /* the reason comes before the end */
	}
	signal_process(process, SIGKILL); /* what it started and left behind */
	siginfo_t info = {0};
	int failed = waitid(P_PIDFD, (id_t)io->fd, &info, WEXITED | WNOHANG);
	if (failed == 0 && info.si_pid == 0) {
		return;
	}
	/* Somebody else has reaped it: how it ended is not known, but that it did. */
	bool by_exit = failed != 0 || info.si_code == CLD_EXITED;
	struct spawn_event event = {.type = SPAWN_EXITED,
				    .token = process->token,
				    .pid = process->pid,
				    .exit_code = by_exit ? info.si_status : -1,
				    .signal = by_exit ? 0 : info.si_status};
	process_free(process);
	if (getpid() == 1) {
		spawner_reap_strangers(spawner); /* it stood before them and ended the look */
	}
	spawner->fn(spawner->data, &event);
}

static bool is_ours(const struct spawner *spawner, pid_t pid)
{
	const struct process *process = spawner->processes;
	while (process != NULL && process->pid != pid) {
		process = process->next;
	}
	return process != NULL;
}

void spawner_reap_strangers(struct spawner *spawner)
{
	siginfo_t info = {0};
	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0 &&
	       !is_ours(spawner, info.si_pid)) {
		waitpid(info.si_pid, NULL, 0);
		info.si_pid = 0;
	}
}

/* Watches a process that has just been forked. */
static int process_watch(struct process *process, int report)
{
	struct loop *loop = process->spawner->loop;
	int pidfd = pidfd_open(process->pid, 0);
	if (pidfd < 0 || loop_io_add(loop, &process->exit_io, pidfd, LOOP_READ, handle_exit) != 0) {
		fd_close(&pidfd);
		return -1;
	}
	return loop_io_add(loop, &process->report_io, report, LOOP_READ, handle_report);
}

static struct process *process_create(struct spawner *spawner, unsigned token)
{
	struct process *process = calloc(1, sizeof *process);
	if (process != NULL) {
		process->spawner = spawner;
		process->token = token;
		process->exit_io.fd = process->report_io.fd = -1;
		process->next = spawner->processes;
		spawner->processes = process;
	}
	return process;
}

pid_t spawner_start(struct spawner *spawner, unsigned token, const struct spawn_request *request)
{
	int report[2] = {-1, -1};
	struct process *process = process_create(spawner, token);
	if (process == NULL || pipe2(report, O_CLOEXEC | O_NONBLOCK) != 0) {
		goto fail;
	}
	process->pid = fork();
	if (process->pid == 0) {
		run_child(spawner, request, report[1]);
	}
	if (process->pid < 0) {
		goto fail;
	}
	setpgid(process->pid, process->pid); /* both sides do it: whoever comes first */
	fd_close(&report[1]);
	if (process_watch(process, report[0]) != 0) {
		int error = errno;
		signal_process(process, SIGKILL);
		waitpid(process->pid, NULL, 0);
		errno = error;
		goto fail;
	}
	return process->pid;
fail:
	if (process != NULL) {
		int error = errno;
		process_free(process);
		errno = error;
	}
	fd_close(&report[0]);
	fd_close(&report[1]);
	return -1;
}

void spawner_kill(struct spawner *spawner, unsigned token, int signal)
{
	for (struct process *process = spawner->processes; process != NULL;
	     process = process->next) {
		if (process->token == token) {
			signal_process(process, signal);
			return;
		}
	}
}

void spawner_destroy(struct spawner *spawner)
{
	if (spawner == NULL) {
		return;
	}
	while (spawner->processes != NULL) {
		struct process *process = spawner->processes;
		signal_process(process, SIGKILL);
		waitpid(process->pid, NULL, 0);
		process_free(process);
	}
	free(spawner);
}
