/* SPDX-License-Identifier: MIT */
/* src/region/mutex.{h,c}, step by step, for mutex.pml and queue.pml.
 *
 * Mutex m is word m, its `waking` word m + MUTEXES; `seen` and `impatient` are
 * locals of the process. Scrubs happen at any release that finds the flag up,
 * not only at every 16th. */

#define WAKING(m) (m + MUTEXES)

bool waiters[MUTEXES + 1]; /* the flag: somebody may sleep */

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

/* On both words. The kernel queues on one after the other, comparing each. */
inline sleep(m) {
#ifdef WAKING_UNWATCHED
    asleep[me] = WAKING(m);
#else
    if
    :: atomic { word[WAKING(m)] == 0 -> asleep[me] = WAKING(m) }
    :: word[WAKING(m)] != 0 -> goto awake
    fi;
#endif
#ifndef WORD_UNWATCHED
    if
    :: atomic { word[m] == seen -> also[me] = m }
    :: word[m] != seen -> goto awake
    fi;
    if
    :: asleep[me] == 0 || also[me] == 0
    :: impatient
    fi;
#else
    if
    :: asleep[me] == 0
    :: impatient
    fi;
#endif
awake:
    skip; /* no label may stand before a d_step */
    d_step { asleep[me] = 0; also[me] = 0 }
}

/* Before a look: whoever releases the word from here on wakes one. */
inline begin_look(m) {
#ifdef WORD_ARMED_FIRST
    pending[me] = m;
#endif
#ifndef WAKING_STAYS
    if
    :: word[WAKING(m)] != 0 -> word[WAKING(m)] = 0
    :: word[WAKING(m)] == 0
    fi;
#endif
    pending[me] = m
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
#ifndef SLEEPER_UNARMED
            pending[me] = WAKING(m);
#endif
            sleep(m);
            begin_look(m)
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

/* Wakes one, unless one is on its way. */
inline rouse_one(m) {
    if
    :: word[WAKING(m)] == 0 ->
#ifndef WAKER_UNARMED
        pending[me] = WAKING(m);
#endif
        if
        :: atomic { word[WAKING(m)] == 0 -> word[WAKING(m)] = AWAKE };
            wake_one(WAKING(m))
        :: word[WAKING(m)] != 0
        fi
    :: word[WAKING(m)] != 0
    fi
}

inline release_word(m) {
    word[m] = 0;
#ifdef NO_PENDING
    pending[me] = 0;
#endif
    if
    :: waiters[m] -> rouse_one(m)
    :: !waiters[m]
    fi;
    pending[me] = 0
}
