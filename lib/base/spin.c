#include "base/spin.h"

#include "base/cleanup.h"

/* What a spin that saw input saves: between 5 us and 50 us from machine to machine. */
#define SPIN_WORTH_NS INT64_C(20000)
/* One part in so many of the time may be spun in vain. */
#define SPIN_TIME_SHARE 64
/* Good times are not remembered for longer than this pays for. */
#define SPIN_CREDIT_MAX_NS INT64_C(1000000)
/* What a lost CPU costs at most: it may have been a machine that stood still. */
#define SPIN_LOSS_MAX_NS INT64_C(2000000)

void
dist_spin_init(struct dist_spin *spin, unsigned length_us)
{
	*spin = (struct dist_spin){
		.length_ns = (int64_t)length_us * 1000,
		.credit_ns = SPIN_CREDIT_MAX_NS,
	};
}

static void
spin_earn(struct dist_spin *spin, int64_t ns)
{
	spin->credit_ns = DIST_MIN(spin->credit_ns + ns, SPIN_CREDIT_MAX_NS);
}

bool
dist_spin_begin(struct dist_spin *spin, int64_t now_ns)
{
	if (spin->length_ns == 0)
		return false;
	if (spin->credit_ns <= 0)
		spin_earn(spin, (now_ns - spin->earned_ns) / SPIN_TIME_SHARE);
	spin->earned_ns = now_ns;
	spin->began_ns = spin->looked_ns = now_ns;
	spin->lost_cpu = false;
	return spin->credit_ns > 0;
}

bool
dist_spin_goes_on(struct dist_spin *spin, int64_t now_ns)
{
	if (now_ns - spin->looked_ns > DIST_SPIN_GAP_NS)
		spin->lost_cpu = true;
	spin->looked_ns = now_ns;
	return !spin->lost_cpu && now_ns - spin->began_ns < spin->length_ns;
}

void
dist_spin_end(struct dist_spin *spin, bool seen, int64_t now_ns)
{
	int64_t took_ns = now_ns - spin->began_ns;

	if (now_ns - spin->looked_ns > DIST_SPIN_GAP_NS)
		spin->lost_cpu = true;
	if (seen && !spin->lost_cpu)
		spin_earn(spin, SPIN_WORTH_NS);
	else
		spin->credit_ns -= DIST_MIN(took_ns, DIST_MAX(spin->length_ns,
		                                              SPIN_LOSS_MAX_NS));
}
