#!/bin/sh
# What a stock project has: rpcgen's own output. For NAME.x makes OUTDIR/stock_NAME.h,
# _xdr.c, _clnt.c and _svc.c; rpcgen wants to run where its input is.
#	stubs.sh NAME.x OUTDIR
set -eu
name=stock_$(basename "$1" .x)
work=$(mktemp -d "$2/stubs.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp "$1" "$work/$name.x"
cd "$work"
rpcgen -C -N -M "$name.x"
rm "${name}_svc.c"
rpcgen -C -N -M -m -o "${name}_svc.c" "$name.x"
# An interface without types has no XDR file.
[ -e "${name}_xdr.c" ] || echo '#include <rpc/rpc.h>' >"${name}_xdr.c"
mv "$name.h" "${name}_xdr.c" "${name}_clnt.c" "${name}_svc.c" ..
