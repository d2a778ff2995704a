"""Reading integers out of a byte buffer inside kernels; the caller has checked that they are there.

One load and a byte swap each: LLVM does not join four byte loads by itself here, and decoding took twice as long.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from noroshi.wire.jit import CHECKED, Function, helper


def _loader(bits: int, big: bool) -> Function:
    """A load of `bits` at any offset as a non-negative int64 (or the bits of one), of either byte order."""

    @intrinsic
    def load(typing_context: Any, buf: Any, p: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            array = context.make_array(signature.args[0])(context, builder, args[0])
            word = ir.IntType(bits)
            # gep in bytes, then the pointer read as one to the wider word
            at = builder.bitcast(builder.gep(array.data, [args[1]]), word.as_pointer())
            value = builder.load(at, align=1)
            if big:
                value = builder.bswap(value)
            return value if bits == 64 else builder.zext(value, ir.IntType(64))

        return types.int64(buf, types.int64), generate

    return load


if CHECKED:
    # Byte by byte, so that every index passes numba's bounds check.

    @helper
    def be16(buf, p):
        return (np.int64(buf[p]) << 8) | np.int64(buf[p + 1])

    @helper
    def be32(buf, p):
        return (be16(buf, p) << 16) | be16(buf, p + 2)

    @helper
    def be64(buf, p):
        return (be32(buf, p) << 32) | be32(buf, p + 4)

    @helper
    def le32(buf, p):
        return (
            (np.int64(buf[p + 3]) << 24)
            | (np.int64(buf[p + 2]) << 16)
            | (np.int64(buf[p + 1]) << 8)
            | np.int64(buf[p])
        )

else:
    be16, be32, be64 = _loader(16, True), _loader(32, True), _loader(64, True)
    le32 = _loader(32, False)


@helper
def u32(buf, p, big):
    if big:
        return be32(buf, p)
    return le32(buf, p)
