/* SPDX-License-Identifier: MIT */
/* src/region/mutex.{h,c}, step by step, for mutex.pml and queue.pml.
 *
 * Mutex m is word m; `seen` and `impatient` are locals of the process. Scrubs
 * happen at any release that finds the flag up, not only at every 16th. */

bool waiters[WORDS + 1]; /* the flag: somebody may sleep */

/* Takes the word if nobody owns it: then goes to the label got. */
inline try_word(m) {
    seen = word[m];
    if
    :: !HAS_OWNER(seen) ->
        if
        :: atomic { word[m] == seen -> word[m] = me; goto got }
        :: word[m] != seen
        fi
    :: else
    fi
}

/* Goes to got, or to gave_up if the time is over, as it may be any time for who
 * is impatient. */
inline lock(m) {
    pending[me] = m;
    if
    :: atomic { word[m] == 0 -> seen = 0; word[m] = me; goto got }
    :: word[m] != 0
    fi;
    try_word(m);
    do
    :: true ->
        if
        :: impatient -> goto gave_up
        :: true
        fi;
#ifdef FLAG_BEFORE_WAITING
        waiters[m] = true;
        waiting[me] = m;
#else
        waiting[me] = m;
        waiters[m] = true;
#endif
        seen = word[m];
        if
        :: HAS_OWNER(seen) ->
            if
            :: atomic { word[m] == seen -> asleep[me] = m };
                if
                :: asleep[me] == 0
                :: atomic { impatient && asleep[me] != 0 -> asleep[me] = 0 }
                fi
            :: word[m] != seen
            fi
        :: else
        fi;
        try_word(m)
    od
}

inline leave(m) {
    waiting[me] = 0;
    pending[me] = 0
}

/* After `got`, before the repair. */
inline acquired(m) {
    if
    :: waiting[me] != 0 -> waiting[me] = 0
    :: else
    fi;
#ifndef NO_DIRTY_FLAG
    if
    :: seen == DIED -> waiters[m] = true
    :: else
    fi
#endif
}

inline scrub(m) {
    waiters[m] = false;
#ifndef NO_RESCAN
    if
    :: waiting[1] == m -> waiters[m] = true; goto scrubbed
    :: waiting[1] != m
    fi;
    if
    :: waiting[2] == m -> waiters[m] = true; goto scrubbed
    :: waiting[2] != m
    fi;
    if
    :: waiting[3] == m -> waiters[m] = true; goto scrubbed
    :: N >= 3 && waiting[3] != m
    :: N < 3
    fi;
    if
    :: waiting[4] == m -> waiters[m] = true
    :: N >= 4 && waiting[4] != m
    :: N < 4
    fi
#endif
}

inline release_word(m) {
    word[m] = 0;
#ifdef NO_PENDING
    pending[me] = 0;
#endif
    if
    :: waiters[m] -> wake_one(m)
    :: !waiters[m]
    fi;
    pending[me] = 0
}
