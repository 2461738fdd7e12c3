/*
 * The HTTP thread writes answers out of the last overview under the lock; the board's
 * thread makes the next one without it, and only changes the two under the lock.
 */
#include "board.h"

#include "frame.h"
#include "history.h"
#include "program/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define TICK_MS    1000
#define STALE_MS   10000 /* an overview this old: the registry does not answer */
#define ANSWER_MS  3000  /* what the master has to answer itself */
#define SETTLED_MS 3000  /* a default lease: nodes that live are here again */

struct board {
	/* Set by board_start(), then read-only. */
	struct board_options options;
	pthread_t thread;

	/* The thread's. */
	struct history history;
	uint64_t last_event;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t work;
	bool stopping;
	struct board_view view; /* its overview is NULL before the first */
	int64_t taken_ms;       /* when that was taken, or the board started */
	bool settled;           /* a lease has passed since the start */
};

/* --- Questions ---------------------------------------------------------------- */

const struct board_view *
board_lock(struct board *board)
{
	pthread_mutex_lock(&board->lock);
	return &board->view;
}

void
board_unlock(struct board *board)
{
	pthread_mutex_unlock(&board->lock);
}

/* One that has not had its first look yet is alive all the same. */
static const char *
why_unhealthy_locked(const struct board *board)
{
	if (program_now_ms() - board->taken_ms > STALE_MS)
		return "the registry has not answered for 10 seconds";
	return NULL;
}

static const char *
why_not_ready_locked(const struct board *board)
{
	const char *why = why_unhealthy_locked(board);
	int64_t self_ms;

	if (why)
		return why;
	if (!board->view.overview)
		return "the master has just started";
	self_ms = board->view.overview->self_age_ms;
	if (self_ms < 0)
		return "the master does not answer calls yet";
	if (self_ms > 2 * board->options.stats_ms + ANSWER_MS)
		return "the master does not answer calls";
	if (!board->settled)
		return "the master has just started, and nodes are still registering again";
	return NULL;
}

const char *
board_why_unhealthy(struct board *board)
{
	const char *why;

	pthread_mutex_lock(&board->lock);
	why = why_unhealthy_locked(board);
	pthread_mutex_unlock(&board->lock);
	return why;
}

const char *
board_why_not_ready(struct board *board)
{
	const char *why;

	pthread_mutex_lock(&board->lock);
	why = why_not_ready_locked(board);
	pthread_mutex_unlock(&board->lock);
	return why;
}

/* --- A moment ----------------------------------------------------------------- */

static void
board_show_totals_locked(struct board *board)
{
	board->view.totals = board->history.nodes.totals;
	board->view.callers = board->history.callers.totals;
}

static void
board_show(struct board *board, struct dist_overview *overview)
{
	struct dist_overview *old;

	pthread_mutex_lock(&board->lock);
	old = board->view.overview;
	board->view.overview = overview;
	board_show_totals_locked(board);
	board->taken_ms = program_now_ms();
	if (overview->uptime_ms >= SETTLED_MS)
		board->settled = true;
	pthread_mutex_unlock(&board->lock);
	dist_overview_free(old);
}

static void
board_tell(struct board *board, const struct dist_overview *overview)
{
	struct text whole = { 0 }, change = { 0 };
	const struct frame_source source = {
		.overview = overview,
		.history = &board->history,
		.stats_ms = board->options.stats_ms,
		.why_not_ready = board_why_not_ready(board),
		.last_event = board->last_event,
	};

	board->last_event = frame_print(&source, &whole, &change);
	feed_publish(board->options.feed, &whole, &change);
}

static enum dist_err
take_totals(struct board *board, struct dist_stats **ret_nodes,
            struct dist_stats **ret_callers)
{
	enum dist_err err = dist_master_totals(ret_nodes, board->options.master);

	if (err)
		return err;
	err = dist_master_caller_totals(ret_callers, board->options.master);
	if (err)
		dist_stats_free(*ret_nodes);
	return err;
}

/* Without memory a moment is left out. */
static void
board_tick(struct board *board)
{
	struct dist_overview *overview;
	struct dist_stats *nodes, *callers;
	bool taken;

	if (dist_master_overview(&overview, board->options.master))
		return;
	if (take_totals(board, &nodes, &callers)) {
		dist_overview_free(overview);
		return;
	}
	/* The totals that are shown may be freed here. */
	pthread_mutex_lock(&board->lock);
	taken = history_take(&board->history, overview, nodes, callers,
	                     program_now_ms());
	board_show_totals_locked(board);
	pthread_mutex_unlock(&board->lock);
	if (!taken) {
		dist_overview_free(overview);
		return;
	}
	board_show(board, overview);
	board_tell(board, overview);
}

static void *
board_run(void *arg)
{
	struct board *board = arg;

	pthread_setname_np(pthread_self(), "dist-board");
	pthread_mutex_lock(&board->lock);
	while (!board->stopping) {
		const struct timespec until = program_in_ms(TICK_MS);

		pthread_mutex_unlock(&board->lock);
		board_tick(board);
		pthread_mutex_lock(&board->lock);
		while (!board->stopping &&
		       !pthread_cond_timedwait(&board->work, &board->lock, &until))
			;
	}
	pthread_mutex_unlock(&board->lock);
	return NULL;
}

/* --- Start and stop ----------------------------------------------------------- */

struct board *
board_start(const struct board_options *options)
{
	struct board *board = calloc(1, sizeof(*board));

	if (!board)
		return NULL;
	board->options = *options;
	board->taken_ms = program_now_ms();
	pthread_mutex_init(&board->lock, NULL);
	program_cond_init(&board->work);
	if (pthread_create(&board->thread, NULL, board_run, board) == 0)
		return board;
	pthread_cond_destroy(&board->work);
	pthread_mutex_destroy(&board->lock);
	free(board);
	return NULL;
}

void
board_stop(struct board *board)
{
	if (!board)
		return;
	pthread_mutex_lock(&board->lock);
	board->stopping = true;
	pthread_cond_signal(&board->work);
	pthread_mutex_unlock(&board->lock);
	pthread_join(board->thread, NULL);
}

void
board_free(struct board *board)
{
	if (!board)
		return;
	dist_overview_free(board->view.overview);
	history_fini(&board->history);
	pthread_cond_destroy(&board->work);
	pthread_mutex_destroy(&board->lock);
	free(board);
}
