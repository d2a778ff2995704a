"""Where JSON values end: one pass over bytes that knows strings, escapes and brackets, and stops anywhere.

What a value holds is not looked at: whoever decodes it finds a bad escape or number. Brackets must match down
to 64 levels (one bit each); below that only their number is kept, and the value is marked as too deep.
"""

from __future__ import annotations

from noroshi.wire.jit import kernel

MORE, FULL, CLOSED, ONE, BAD = 0, 1, 2, 3, 4
"""Why `scan` returned: bytes used up; no room for more values; `]` read; the one value ended; no JSON at POS."""
POS, MODE, START, DEPTH, DEEPEST, AFTER, SINGLE, COUNT = range(8)
"""Places in the state (int64): where to go on, within what, where the value at hand began, how deep, the
deepest of it, 1 when a value was read and no comma since, 1 to stop after one value, values found."""
BETWEEN, STRING, ESCAPED, INSIDE, SCALAR = range(5)
"""Modes."""
NESTING = 64
"""Levels of brackets a value may have: a bit each in one word; real intelligence has fewer than 15."""


@kernel
def scan(buf, end, state, stack, starts, ends, deepest):
    """Ends of the values of an array from state[POS] on, up to `end`; returns one of the reasons above.

    buf: uint8[>= end]. stack: int64[1]. starts, ends, deepest: int64[n], filled up to state[COUNT] values
    with begin, end and depth. A value that was begun in an earlier call begins at state[START].
    """
    i, mode, start, depth = state[0], state[1], state[2], state[3]
    deep, after, single = state[4], state[5], state[6]
    bits = stack[0]
    room = starts.size
    n = 0
    why = 0
    while i < end:
        c = buf[i]
        over = False
        if mode == 1:
            if c == 34:
                mode = 3
                over = depth == 0
            elif c == 92:
                mode = 2
            i += 1
        elif mode == 2:
            mode = 1
            i += 1
        elif mode == 3:
            i += 1
            if c == 34:
                mode = 1
            elif c == 123 or c == 91:
                if depth < 64:
                    bits = (bits << 1) | (1 if c == 91 else 0)
                depth += 1
                if depth > deep:
                    deep = depth
            elif c == 125 or c == 93:
                if depth <= 64:
                    if (bits & 1) != (1 if c == 93 else 0):
                        i -= 1
                        why = 4
                        break
                    bits = bits >> 1
                depth -= 1
                over = depth == 0
        elif mode == 4:
            if c == 32 or c == 10 or c == 13 or c == 9 or c == 44 or c == 93 or c == 125:
                over = True
            elif c == 34 or c == 123 or c == 91 or c == 58:
                why = 4
                break
            else:
                i += 1
        elif c == 32 or c == 10 or c == 13 or c == 9:
            i += 1
        elif c == 93:
            # A `]` straight after a comma: state[AFTER] is 0 then as before the first value, told by 2.
            if after == 2 or single == 1:
                why = 4
                break
            i += 1
            why = 2
            break
        elif c == 44:
            if after != 1:
                why = 4
                break
            after = 2
            i += 1
        elif after == 1 or c == 125 or c == 58:
            why = 4
            break
        else:
            start, deep, bits = i, 0, bits & 0
            i += 1
            if c == 34:
                mode = 1
            elif c == 123 or c == 91:
                mode, depth, deep = 3, 1, 1
                bits = bits | (1 if c == 91 else 0)
            else:
                mode = 4
        if over:
            starts[n], ends[n], deepest[n] = start, i, deep
            n += 1
            mode, start, after = 0, -1, 1
            if single == 1:
                why = 3
                break
            if n == room:
                why = 1
                break
    state[0], state[1], state[2], state[3] = i, mode, start, depth
    state[4], state[5], state[7] = deep, after, n
    stack[0] = bits
    return why
