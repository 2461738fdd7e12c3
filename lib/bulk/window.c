#include "bulk/window.h"

#include "base/cleanup.h"
#include "base/clock.h"

/* An item that waits less than this does not wait noticeably. */
#define WAIT_SHORT_NS (1 * DIST_NS_PER_MS)
/* And one that waits longer than this waits too long. */
#define WAIT_LONG_NS (4 * DIST_NS_PER_MS)
/* What was the shortest so long ago is forgotten. */
#define PERIOD_NS (10000 * DIST_NS_PER_MS)
/* The most to be ahead on a node, and in all. */
#define AHEAD_A_NODE 256
#define AHEAD_MAX    65536

static uint64_t
ahead_least(const struct dist_bulk_window *window)
{
	return DIST_MAX(window->room.n_nodes, window->room.n_workers / 4);
}

static void
window_set_ahead(struct dist_bulk_window *window, uint64_t ahead)
{
	uint64_t most = (uint64_t)window->room.n_nodes * AHEAD_A_NODE;
	uint64_t least = ahead_least(window);

	ahead = DIST_MIN(ahead, DIST_MIN(most, AHEAD_MAX));
	window->ahead = DIST_MAX(ahead, least);
}

void
dist_bulk_window_init(struct dist_bulk_window *window, uint64_t max)
{
	*window = (struct dist_bulk_window){
		.max = max ? max : UINT64_MAX,
		.shortest_ns = { INT64_MAX, INT64_MAX },
	};
}

void
dist_bulk_window_set_room(struct dist_bulk_window *window, struct dist_room room)
{
	window->room = room;
	window_set_ahead(window, window->ahead);
}

void
dist_bulk_window_set_away(struct dist_bulk_window *window, uint64_t n_away)
{
	window->n_away = n_away;
}

uint64_t
dist_bulk_window_limit(const struct dist_bulk_window *window)
{
	if (window->room.n_nodes == 0)
		return 0;
	return DIST_MIN(window->room.n_workers + window->ahead + window->n_away,
	                window->max);
}

/* Over a window's length of items, so that one that waited says little. */
static void
window_update_mean(struct dist_bulk_window *window, uint64_t n, double average_ns)
{
	double weight = (double)n / (double)DIST_MAX(dist_bulk_window_limit(window), 1);

	if (window->mean_ns == 0 || weight > 1)
		weight = 1;
	window->mean_ns += (average_ns - window->mean_ns) * weight;
}

static void
window_update_shortest(struct dist_bulk_window *window, int64_t shortest_ns,
                       int64_t now_ns)
{
	if (now_ns >= window->period_ends_ns) {
		window->shortest_ns[1] = window->shortest_ns[0];
		window->shortest_ns[0] = INT64_MAX;
		window->period_ends_ns = now_ns + PERIOD_NS;
	}
	window->shortest_ns[0] = DIST_MIN(window->shortest_ns[0], shortest_ns);
}

void
dist_bulk_window_ended(struct dist_bulk_window *window, uint64_t n, int64_t sum_ns,
                       int64_t shortest_ns, int64_t now_ns)
{
	double wait_ns;

	window_update_mean(window, n, (double)sum_ns / (double)n);
	window_update_shortest(window, shortest_ns, now_ns);
	wait_ns = window->mean_ns -
	          (double)DIST_MIN(window->shortest_ns[0], window->shortest_ns[1]);
	if (wait_ns < WAIT_SHORT_NS) {
		window_set_ahead(window, window->ahead + n);
	} else if (wait_ns > WAIT_LONG_NS &&
	           now_ns - window->shrunk_ns > WAIT_LONG_NS) {
		/* Not again before that can have shown. */
		window_set_ahead(window, window->ahead / 2);
		window->shrunk_ns = now_ns;
	}
}

void
dist_bulk_window_refused(struct dist_bulk_window *window)
{
	window_set_ahead(window, window->ahead / 2);
}
