/*
 * The threads that help with loops. They know turns, and nothing of what a turn computes.
 *
 * Note [How a task is shared out]
 * The turns are cut into chunks, and each member of the team has a share of them, neighbours, so that it finds in its cache what
 * it wrote in the loop before. A member takes the chunks of its own share one by one, then those that are left of the others'. So
 * a member that the system has taken off its processor holds up one chunk and not its share; and one that has not even woken up
 * when the rest is done is not waited for: a task is open or closed, and a worker enters it only while it is open. All of that is
 * one number, so that it changes at once: how many workers are in, how large the team is, whether the task is open, and which
 * task it is.
 *
 * Note [Waiting]
 * The next task mostly comes within microseconds, far sooner than a sleeping thread wakes up. So who waits looks again and again
 * for a while, and then sleeps. Where more threads want to run than there are processors, looking keeps one from the very thread
 * that is waited for, and takes from the credit that the system gives to threads which sleep: then nobody looks twice. Other
 * programs come and go, so every now and then the system is asked how many want to run.
 */
#include "parallel.h"

#include <stdatomic.h>

#include "compiler.h"
#include "platform.h"

enum {
    MOST_MEMBERS = 1024,
    CHUNKS = 16 /* of a share: one is what a late member can hold up */
};

/* Seconds: of looking before sleep, until the system is asked again, and until then where it said something new. */
#define PATIENCE 200e-6
#define STALE 20e-3
#define DOUBTFUL 1e-3

/* The number of Note [How a task is shared out]. */
#define INSIDE(state) ((int)((state) & 0xfff)) /* workers */
#define TEAM(state) ((int)((state) >> 12 & 0xfff))
#define TEAM_OF(n) ((uint64_t)(n) << 12)
#define OPEN ((uint64_t)1 << 24)
#define AWAITED ((uint64_t)1 << 25) /* the caller sleeps until the last worker has left */
#define STOPPED ((uint64_t)1 << 26)
#define ONE_TASK ((uint64_t)1 << 32)
#define NUMBER(state) ((state) >> 32)

struct member {
    _Alignas(64) _Atomic int64_t next; /* chunk of the share */
    int64_t end;
    atomic_uint asleep;
    struct platform_thread thread;
};

static struct {
    atomic_bool ending; /* the workers are called off: who wants them from now on works alone */
    /* Whoever has set this may use all the rest. */
    atomic_bool taken;
    int workers; /* that have been started: members 1 … workers */
    bool no_more; /* the system gives no more threads */
    int processors, all_processors; /* that this process may use, and of the machine; 0: not asked yet */
    double asked; /* when the system was */
    bool suspected; /* that there are too many threads: it said so once */
    bool crowded;   /* it said so twice: something that runs for a moment is no crowd */
    _Alignas(64) _Atomic uint64_t state;
    atomic_uint left; /* all workers have, and the caller should wake up */
    /* The task; a worker that has entered may read it. */
    ag_turn *turn;
    const void *task;
    int64_t n, chunks;
    double patience; /* of its team afterwards */
    struct member member[MOST_MEMBERS];
} crew;

static _Thread_local bool inside;
static _Thread_local int number;

int ag_parallel_member(void)
{
    return number;
}

bool ag_parallel_inside(void)
{
    return inside;
}

/* ---- turns ------------------------------------------------------------------------------------------------------------- */

static void run_chunks(struct member *from)
{
    int64_t chunk;
    while ((chunk = atomic_fetch_add_explicit(&from->next, 1, memory_order_relaxed)) < from->end) {
        int64_t end = crew.n * (chunk + 1) / crew.chunks;
        for (int64_t i = crew.n * chunk / crew.chunks; i < end; i++) {
            crew.turn(crew.task, i);
        }
    }
}

static void take_part(int team)
{
    for (int k = 0; k < team; k++) {
        run_chunks(&crew.member[(number + k) % team]);
    }
}

/* ---- workers ------------------------------------------------------------------------------------------------------------ */

/* Whether member `me` should look up: to work, or to end. */
static bool called(uint64_t state, int me, uint64_t last)
{
    return (state & STOPPED) != 0 || ((state & OPEN) != 0 && NUMBER(state) != last && me < TEAM(state));
}

static uint64_t wait_for_task(int me, uint64_t last, double seconds)
{
    struct member *self = &crew.member[me];
    uint64_t state;
    double until = seconds > 0 ? platform_seconds() + seconds : 0;
    do {
        for (int k = 0; k < 32; k++) {
            state = atomic_load_explicit(&crew.state, memory_order_acquire);
            if (called(state, me, last)) {
                return state;
            }
            AG_PAUSE();
        }
    } while (seconds > 0 && platform_seconds() < until);
    for (;;) {
        /* Either the caller sees that this one sleeps, or this one sees the task. */
        atomic_store(&self->asleep, 1);
        state = atomic_load(&crew.state);
        if (called(state, me, last)) {
            atomic_store(&self->asleep, 0);
            return state;
        }
        platform_wait(&self->asleep, 1);
    }
}

static void leave(void)
{
    uint64_t before = atomic_fetch_sub(&crew.state, 1);
    if (INSIDE(before) == 1 && (before & AWAITED) != 0) {
        atomic_store(&crew.left, 1);
        platform_wake(&crew.left);
    }
}

static void work(void *argument)
{
    struct member *self = argument;
    int me = (int)(self - crew.member);
    inside = true;
    number = me;
    uint64_t last = ~(uint64_t)0;
    double seconds = 0;
    for (;;) {
        uint64_t state = wait_for_task(me, last, seconds);
        if ((state & STOPPED) != 0) {
            return;
        }
        if (atomic_compare_exchange_strong(&crew.state, &state, state + 1)) {
            last = NUMBER(state);
            seconds = crew.patience;
            take_part(TEAM(state));
            leave();
        }
    }
}

/* In the child of a fork only the thread that forked is left, wherever in a task another was. */
static void forget_workers(void)
{
    for (int i = 1; i <= crew.workers; i++) {
        atomic_store(&crew.member[i].asleep, 0);
    }
    crew.workers = 0;
    crew.no_more = false;
    atomic_store(&crew.state, 0);
    atomic_store(&crew.ending, false);
    atomic_store(&crew.taken, false);
}

/* Before the first task: a fork may happen while another thread begins it. */
AG_CONSTRUCTOR static void watch_forks(void)
{
    crew.no_more = !platform_in_forked_child(forget_workers);
}

/* Starts what is missing; returns how large the team can be. */
static int team_of(int wanted)
{
    if (crew.processors == 0) {
        crew.processors = platform_processors();
        crew.all_processors = platform_processors_of_machine();
    }
    while (crew.workers + 1 < wanted && !crew.no_more) {
        struct member *next = &crew.member[crew.workers + 1];
        if (platform_thread_start(&next->thread, work, next)) {
            crew.workers++;
        } else {
            crew.no_more = true;
        }
    }
    return wanted <= crew.workers ? wanted : crew.workers + 1;
}

/* The process ends, or the library is unloaded: the threads must not outlive their code. Afterwards every loop is serial. */
AG_DESTRUCTOR static void stop_workers(void)
{
    if (inside) { /* exit() was called in a turn */
        return;
    }
    /* Else threads that do one task after the other may keep this one waiting for many seconds. */
    atomic_store(&crew.ending, true);
    while (atomic_exchange(&crew.taken, true)) {
        platform_yield();
    }
    atomic_fetch_or(&crew.state, STOPPED);
    for (int i = 1; i <= crew.workers; i++) {
        atomic_store(&crew.member[i].asleep, 0);
        platform_wake(&crew.member[i].asleep);
    }
    for (int i = 1; i <= crew.workers; i++) {
        platform_thread_join(&crew.member[i].thread);
    }
    crew.workers = 0;
}

/* ---- the caller --------------------------------------------------------------------------------------------------------- */

/* Whether the team and what else wants to run are more than there are processors. */
static bool is_crowded(int team)
{
    double now = platform_seconds();
    if (now - crew.asked > (crew.suspected && !crew.crowded ? DOUBTFUL : STALE)) {
        int others = platform_runnable_threads() - 1;
        for (int i = 1; i <= crew.workers; i++) {
            others -= atomic_load_explicit(&crew.member[i].asleep, memory_order_relaxed) == 0;
        }
        bool many = others + team > crew.all_processors;
        crew.crowded = many && crew.suspected;
        crew.suspected = many;
        crew.asked = now;
    }
    return crew.crowded || team > crew.processors;
}

static void open_task(int team, int64_t n, ag_turn *turn, const void *task)
{
    crew.turn = turn;
    crew.task = task;
    crew.n = n;
    crew.patience = is_crowded(team) ? 0 : PATIENCE;
    crew.chunks = n < team * (int64_t)CHUNKS ? n : team * (int64_t)CHUNKS;
    for (int i = 0; i < team; i++) {
        atomic_store_explicit(&crew.member[i].next, crew.chunks * i / team, memory_order_relaxed);
        crew.member[i].end = crew.chunks * (i + 1) / team;
    }
    uint64_t before = atomic_load_explicit(&crew.state, memory_order_relaxed);
    atomic_store(&crew.left, 0);
    atomic_store(&crew.state, (NUMBER(before) + 1) * ONE_TASK | OPEN | TEAM_OF(team));
    for (int i = 1; i < team; i++) {
        if (atomic_load(&crew.member[i].asleep) != 0 && atomic_exchange(&crew.member[i].asleep, 0) != 0) {
            platform_wake(&crew.member[i].asleep);
        }
    }
}

/* Nobody enters from here on; returns when all have left. */
static void close_task(void)
{
    uint64_t state = atomic_fetch_and(&crew.state, ~OPEN);
    double until = INSIDE(state) > 0 && crew.patience > 0 ? platform_seconds() + crew.patience : 0;
    while (INSIDE(state) > 0 && until > 0 && platform_seconds() < until) {
        for (int k = 0; k < 32 && INSIDE(state) > 0; k++) {
            AG_PAUSE();
            state = atomic_load_explicit(&crew.state, memory_order_acquire);
        }
    }
    if (INSIDE(state) > 0 && INSIDE(atomic_fetch_or(&crew.state, AWAITED)) > 0) {
        while (atomic_load(&crew.left) == 0) {
            platform_wait(&crew.left, 0);
        }
    }
}

static void run_alone(int64_t n, ag_turn *turn, const void *task)
{
    int outer = number;
    number = 0;
    for (int64_t i = 0; i < n; i++) {
        turn(task, i);
    }
    number = outer;
}

void ag_parallel(int team, int64_t n, ag_turn *turn, const void *task)
{
    team = team > n ? (int)n : team > MOST_MEMBERS ? MOST_MEMBERS : team;
    if (team < 2 || inside || atomic_load_explicit(&crew.ending, memory_order_relaxed) ||
        atomic_load_explicit(&crew.taken, memory_order_relaxed) || atomic_exchange(&crew.taken, true)) {
        run_alone(n, turn, task);
        return;
    }
    team = team_of(team);
    if (team < 2) {
        run_alone(n, turn, task);
    } else {
        open_task(team, n, turn, task);
        inside = true;
        take_part(team);
        inside = false;
        close_task();
    }
    atomic_store(&crew.taken, false);
}
