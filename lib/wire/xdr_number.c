/*
 * Numbers one at a time, RFC 4506 sections 4.1 to 4.7: the members of structs. libtirpc's
 * routines reach the stream through its table for every word; ours know a stream of ours
 * when they see it. Values and bytes are libtirpc's, its oddities too: a long has 32 bits
 * on the wire and comes back without its sign.
 */
#define DIST_XDR_NO_MAPPING
#include <dist/xdr.h>

/* --- By the stream's table -------------------------------------------------------- */

bool_t
dist_xdr_put32(XDR *xdrs, uint32_t word)
{
	long value = (long)word;

	return XDR_PUTLONG(xdrs, &value);
}

bool_t
dist_xdr_put64(XDR *xdrs, uint64_t word)
{
	return dist_xdr_put32(xdrs, (uint32_t)(word >> 32)) &&
	       dist_xdr_put32(xdrs, (uint32_t)word);
}

struct dist_xdr_word
dist_xdr_get32(XDR *xdrs)
{
	long value = 0;
	bool_t fine = XDR_GETLONG(xdrs, &value);

	return (struct dist_xdr_word){ (uint32_t)value, fine };
}

struct dist_xdr_word
dist_xdr_get64(XDR *xdrs)
{
	struct dist_xdr_word high = dist_xdr_get32(xdrs), low;

	if (!high.fine)
		return high;
	low = dist_xdr_get32(xdrs);
	low.value |= high.value << 32;
	return low;
}

/* --- The routines ----------------------------------------------------------------- */

#define NUMBER(name, type, bits, to_wire, from_wire) \
	bool_t dist_xdr_##name(XDR *xdrs, type *number) \
	{ \
		DIST_XDR_NUMBER_BODY(type, bits, to_wire, from_wire) \
	}

DIST_XDR_NUMBERS(NUMBER)

/*
 * Some interfaces define these types themselves, and rpcgen makes routines of these names
 * for them. They take the place of ours, also where all of the library is in the program.
 */
#define SIZED_NUMBER(name, type, bits, to_wire, from_wire) \
	bool_t dist_xdr_##name(XDR *xdrs, type *number) __attribute__((weak)); \
	NUMBER(name, type, bits, to_wire, from_wire)

DIST_XDR_SIZED_NUMBERS(SIZED_NUMBER)
