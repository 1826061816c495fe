/* SPDX-License-Identifier: MIT */
/* The stage: makes what the players use, and settles accounts when they have
 * gone.
 *
 * Accounts. A message whose put returned may only be missing if a consumer
 * was killed: it took the message with it. Nothing may come twice, broken, out
 * of order, or from nowhere. Of memory, each kill of an allocator may cost a
 * block, that of a submitter its task and its map, that of a worker what it
 * was about to hand over; that of anyone else, none. */
#include "stress.h"

#include "region/audit.h"
#include "region/object.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

struct stress *stress;

static uint64_t live_before;
static int for_pipes;

static void *
map_shared(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

/* Blocks and objects that are live; what is wrong with the heap is said. A
 * process that holds an end of a pipe leaves its record behind, for nobody has
 * started it but itself: these do not count. */
static uint64_t
count_live(int *violations)
{
    struct mp__heap_report report = {0};
    uint64_t live;
    int i;

    if (mp__heap_audit(&report) < 0) {
        printf("VIOLATION: the heap is broken: %s\n", report.problem);
        ++*violations;
    }
    live = report.blocks + report.large;
    for (i = 0; i < MP__SLABS; i++)
        if (i != MP__SLAB_PROCESS || !for_pipes)
            live += report.objects[i];
    return live;
}

static int
make_objects(void)
{
    if (mp_queue_create(&stress->queue[0],
                        MP_QUEUE_ATTR(.max_bytes = 1 << 20)) < 0 ||
        mp_queue_create(&stress->queue[1], MP_QUEUE_ATTR(.maxsize = 8)) < 0)
        return -1;
    stress->pair = mp_new(struct stress_pair);
    stress->bell = mp_new(struct stress_bell);
    if (!stress->pair || !stress->bell)
        return -1;
    mp__mutex_init(&stress->pair->mutex, MP__MUTEX_PLAIN);
    return 0;
}

static int
cast_players(const uint32_t cast[STRESS_ROLES], uint64_t seed)
{
    struct stress_player *player = stress->player;
    uint32_t role, i, n = 0;

    for (role = 0; role < STRESS_ROLES; role++) {
        for (i = 0; i < cast[role] && n < STRESS_PLAYERS; i++, n++) {
            player[n].role = (enum stress_role)role;
            player[n].number = n;
            player[n].which = i;
            player[n].random = (seed + n + 1) * 0x9e3779b97f4a7c15u;
            if (role != STRESS_ALLOCATOR)
                continue;
            stress->ledger[n] = mp_new(struct stress_ledger);
            if (!stress->ledger[n])
                return -1;
        }
    }
    stress->players = n;
    return 0;
}

int
stress_init(const uint32_t cast[STRESS_ROLES], uint64_t seed)
{
    int broken = 0;

    stress = map_shared(sizeof(*stress));
    if (!stress || mp__enter() < 0)
        return -1;
    stress->message = map_shared(STRESS_IDS);
    if (cast[STRESS_SUBMITTER] && stress_pool_warm_up() < 0)
        return -1;
    for_pipes = cast[STRESS_PIPE_SENDER] != 0;
    if (for_pipes && stress_pipes_warm_up() < 0)
        return -1;
    live_before = count_live(&broken);
    if (!stress->message || broken || make_objects() < 0)
        return -1;
    if (cast[STRESS_SUBMITTER] && stress_pool_create() < 0)
        return -1;
    if (cast[STRESS_LOCK_USER] && stress_sync_create() < 0)
        return -1;
    if (cast[STRESS_QUEUE_PRODUCER] && stress_queues_create() < 0)
        return -1;
    if (for_pipes && stress_pipes_create() < 0)
        return -1;
    return cast_players(cast, seed);
}

void
stress_stop(void)
{
    mp__store(&stress->stop, 1);
    mp_queue_close(stress->queue[0]);
    mp_queue_close(stress->queue[1]);
    mp__bell_arm(&stress->bell->bell);
    mp__add(&stress->bell->data, 1);
    mp__bell_ring(&stress->bell->bell, INT32_MAX);
    if (stress->sync.lock)
        stress_sync_stop();
    if (stress->mode_queue[0])
        stress_queues_stop();
}

static int
violated(int is, const char *what, uint64_t n)
{
    if (is)
        printf("VIOLATION: %" PRIu64 " %s\n", n, what);
    return is;
}

static int
report_messages(uint64_t consumers_killed)
{
    uint64_t lost = 0, ghosts = 0, orphans = 0;
    uint32_t i, n = mp__load(&stress->next_id);

    for (i = 0; i < n && i < STRESS_IDS; i++) {
        unsigned char m = stress->message[i];

        lost += (m & STRESS_RETURNED) && !(m & STRESS_GOT);
        ghosts += (m & STRESS_GOT) && !(m & STRESS_BEGUN);
        orphans += (m & STRESS_GOT) && !(m & STRESS_RETURNED);
    }
    printf("messages: %u begun, %" PRIu64 " got; %" PRIu64
           " of producers that died in put; %" PRIu64
           " gone with their consumer (%" PRIu64 " consumers killed)\n",
           n, mp__load(&stress->got), orphans, lost, consumers_killed);
    return violated(lost > consumers_killed, "messages lost", lost) +
           violated(ghosts > 0, "messages from nowhere", ghosts);
}

static int
report_count(mp__a64 *count, const char *what)
{
    uint64_t n = mp__load(count);

    return violated(n > 0, what, n);
}

static int
report_counts(void)
{
    int v =
        report_count(&stress->duplicates, "messages got twice") +
        report_count(&stress->corrupt, "corrupt messages") +
        report_count(&stress->disorder, "messages out of order") +
        report_count(&stress->broken_pairs,
                     "times a broken pair behind the mutex") +
        report_count(&stress->wrong_results, "wrong results of tasks") +
        report_count(&stress->broken_blocks, "blocks overwritten or not zero");

    if (report_count(&stress->unexpected, "unexpected errors")) {
        printf("  the first: %s\n", stress->text);
        v++;
    }
    return v;
}

static int
free_ledger(struct stress_ledger *ledger)
{
    int i, v = 0;

    for (i = 0; i < STRESS_SLOTS; i++) {
        if (ledger->slot[i] && !(ledger->slot[i] & 1))
            v += violated(mp_free((void *)ledger->slot[i]) < 0,
                          "block of a ledger is not live", 1);
    }
    mp_free(ledger);
    return v;
}

static int
report_memory(uint64_t may_lose)
{
    uint64_t live;
    uint32_t i;
    int v = 0;

    for (i = 0; i < stress->players; i++) {
        if (stress->ledger[i])
            v += free_ledger(stress->ledger[i]);
    }
    mp_free(stress->pair);
    mp_free(stress->bell);
    for (i = 0; i < STRESS_QUEUES; i++)
        v += violated(mp_queue_destroy(stress->queue[i]) < 0,
                      "queue is not live", 1);
    mp__reap();
    live = count_live(&v);
    printf("memory: %" PRIu64 " blocks lost, at most %" PRIu64
           " for the kills\n",
           live - live_before, may_lose);
    v += violated(live > live_before + may_lose, "blocks are lost",
                  live - live_before);
    v += violated(live < live_before, "blocks too many are free",
                  live_before - live);
    return v;
}

int
stress_report(const uint64_t killed[STRESS_ROLES], uint64_t workers_killed)
{
    int v = report_counts();

    if (stress->mode_queue[0])
        v += stress_queues_report(killed[STRESS_QUEUE_CONSUMER]);
    else
        v += report_messages(killed[STRESS_CONSUMER] +
                             killed[STRESS_PIPE_RECEIVER]);
    if (for_pipes)
        v += stress_pipes_end();
    if (stress->sync.lock)
        v += stress_sync_report(killed);
    if (stress->pool) {
        printf("tasks: %" PRIu64 " done, %" PRIu64
               " died with their workers (%" PRIu64 " workers killed)\n",
               mp__load(&stress->tasks_done), mp__load(&stress->tasks_died),
               workers_killed);
        v += stress_pool_end();
    }
    return v +
           report_memory(killed[STRESS_ALLOCATOR] +
                         8 * killed[STRESS_SUBMITTER] + 2 * workers_killed);
}
