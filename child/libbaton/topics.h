/* SPDX-License-Identifier: MIT */
/* Topics within this process: who has subscribed to what. */
#ifndef BATON_TOPICS_H
#define BATON_TOPICS_H

struct baton_conn;

struct topics {
	void *root; /* tsearch(3): the names, which stand in struct topic */
};

/* Takes the connection out of all its topics. No callback runs. */
void topics_leave(struct baton_conn *);

/* A message that the author sent in pieces is complete: what was published meanwhile follows. */
void topics_release_held(struct baton_conn *);

#endif
