/* Threads that stay for a whole job.
 *
 * Waking a thread that has slept takes some tenths of a millisecond, as long as several passes of EM. So where a job is worth it, the threads that
 * options->run_tasks brings are asked for once, as members of a crew: the one that comes first does the job, and the others look for batches of tasks
 * that it posts, and that these tasks post in their turn. Who posts a batch works on it too, and while its last tasks are with others takes short
 * ones of theirs; so a thread that has no fold left to fit takes a part of the rows of another's passes. Members wait awake for a while and then by
 * naps.
 *
 * A batch stands in one of the crew's slots. Its word holds how many of its tasks nobody has begun, and which batch of that slot it is, so that
 * taking one is a single exchange: it fails where the batch has ended meanwhile, and once it succeeds the batch stays, because it waits for that
 * task.
 *
 * Which tasks there are never depends on who takes them, nor on whether there is a crew.
 */
#if !defined(_WIN32) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L /* nanosleep */
#endif

#include "core.h"
#include "threads.h"

#include <math.h>
#include <stdlib.h>

#ifdef _WIN32
#include <windows.h>
#else
#include <sched.h>
#include <time.h>
#endif

#define MOST_MEMBERS 128
#define N_SLOTS 64
#define WORK_OF_A_CREW 1e5 /* terms of densities: below, waking a thread takes as long as it would save, and longer where cores are busy */
#define SHORT_WORK 1e5     /* of a task that who waits for something else may take: a tenth of a millisecond */
#define PAUSES 2000        /* before a member that waits begins to give up its turn: about a tenth of a millisecond */
#define TURNS 2000         /* before it begins to nap */
#define NAP_NANOSECONDS 50000
#define WORK_OF_A_PAUSE 50.0
#define WORK_OF_A_NAP 1e5

#define LEFT_BITS 31
#define LEFT ((INT64_C(1) << LEFT_BITS) - 1)
#define IS_SHORT (INT64_C(1) << LEFT_BITS)
#define ONE_BATCH (INT64_C(1) << (LEFT_BITS + 1)) /* 2^31 of them before a word comes again */

typedef struct slot {
    volatile int64_t word;     /* batch, IS_SHORT, tasks left to begin */
    volatile int64_t is_taken; /* by who posts there */
    volatile int64_t n_ended;
    volatile int64_t status;   /* the first that was not FGM_OK */
    int64_t n;
    fgm_task task;
    void *task_data;
    char padding[64 - 2 * sizeof(void *) + 24]; /* to two cache lines */
} slot;

typedef struct fgm_crew {
    fgm_options options; /* the caller's, but that tasks come here */
    fgm_crew_job *job;
    void *data;
    int status; /* of the job */
    volatile int64_t n_arrived, has_ended, is_cancelled, n_idle;
    volatile int64_t n_used; /* slots that have been used: the first ones */
    slot slots[N_SLOTS];
} crew;

FGM_OF_THREAD bool is_helper;  /* member of a crew that is not the thread that called the library */
FGM_OF_THREAD bool is_helping; /* does a task of others while it waits for its own: then it takes no more, as the stack would not end */

static int run_tasks(void *data, int64_t n_tasks, fgm_task task, void *task_data) { return fgm_crew_run(data, n_tasks, INFINITY, task, task_data); }

fgm_crew *fgm_crew_of(const fgm_options *options) { return options->run_tasks == run_tasks ? options->runner_data : NULL; }

bool fgm_crew_has_idle(fgm_crew *crew) { return crew && fgm_atomic_load(&crew->n_idle) > 0; }

bool fgm_crew_is_cancelled(fgm_crew *crew) { return crew && fgm_atomic_load(&crew->is_cancelled); }

bool fgm_is_on_helper(void) { return is_helper; }

/* One task of a batch, where one is left. */
static bool take_task(crew *with, slot *from, bool is_idle, bool short_only) {
    int64_t word = fgm_atomic_load(&from->word);
    if ((word & LEFT) == 0 || (short_only && !(word & IS_SHORT)) || !fgm_atomic_replace(&from->word, word, word - 1)) return false;
    if (is_idle) fgm_atomic_add(&with->n_idle, -1);
    int status = fgm_atomic_load(&from->status) == FGM_OK ? from->task(from->task_data, from->n - (word & LEFT), !is_helper) : FGM_OK;
    if (status != FGM_OK) fgm_atomic_replace(&from->status, FGM_OK, status);
    if (status == FGM_ERROR_CANCELLED) fgm_atomic_store(&with->is_cancelled, 1);
    if (is_idle) fgm_atomic_add(&with->n_idle, 1);
    fgm_atomic_add(&from->n_ended, 1);
    return true;
}

static void nap(void) {
#ifdef _WIN32
    Sleep(1);
#else
    nanosleep(&(struct timespec){0, NAP_NANOSECONDS}, NULL);
#endif
}

static void give_up_turn(void) {
#ifdef _WIN32
    SwitchToThread();
#else
    sched_yield();
#endif
}

/* One look after which there was nothing to do; where the caller of the library waits so, it polls. */
static int wait_a_little(int *n_waits, fgm_monitor *monitor) {
    bool naps = *n_waits >= PAUSES + TURNS;
    if (*n_waits < PAUSES) {
        fgm_pause();
    } else if (!naps) {
        give_up_turn();
    } else {
        nap();
    }
    *n_waits += !naps;
    return fgm_monitor_add(monitor, naps ? WORK_OF_A_NAP : WORK_OF_A_PAUSE);
}

/* Takes tasks of others, or, where it is in the midst of its own, only short ones, until a number is reached. */
static void help_until(crew *with, volatile int64_t *number, int64_t reached, bool short_only) {
    volatile int64_t nothing_done = 0;
    fgm_monitor monitor = fgm_monitor_start(&with->options, &nothing_done, with->options.n_bootstrap, 1);
    int n_waits = 0;
    bool is_free = !is_helping;
    if (fgm_atomic_load(number) >= reached) return;
    if (is_free) fgm_atomic_add(&with->n_idle, 1);
    is_helping = short_only;
    while (fgm_atomic_load(number) < reached) {
        int64_t n_used = is_free ? fgm_atomic_load(&with->n_used) : 0, at = 0;
        while (at < n_used && !take_task(with, &with->slots[at], true, short_only)) ++at;
        int status;
        if (at < n_used) {
            n_waits = 0;
            status = fgm_monitor_add(&monitor, SHORT_WORK);
        } else {
            status = wait_a_little(&n_waits, &monitor);
        }
        if (status != FGM_OK) fgm_atomic_store(&with->is_cancelled, 1);
    }
    is_helping = !is_free;
    if (is_free) fgm_atomic_add(&with->n_idle, -1);
}

static slot *find_slot(crew *with) {
    for (int64_t i = 0; i < N_SLOTS; ++i) {
        if (fgm_atomic_load(&with->slots[i].is_taken) || !fgm_atomic_replace(&with->slots[i].is_taken, 0, 1)) continue;
        int64_t n_used = fgm_atomic_load(&with->n_used);
        while (n_used <= i && !fgm_atomic_replace(&with->n_used, n_used, i + 1)) n_used = fgm_atomic_load(&with->n_used);
        return &with->slots[i];
    }
    return NULL;
}

int fgm_crew_run(fgm_crew *with, int64_t n_tasks, double work, fgm_task task, void *task_data) {
    slot *own = n_tasks <= LEFT ? find_slot(with) : NULL;
    if (!own) {
        for (int64_t i = 0; i < n_tasks; ++i) FGM_TRY(task(task_data, i, !is_helper));
        return FGM_OK;
    }
    own->task = task;
    own->task_data = task_data;
    own->n = n_tasks;
    own->n_ended = 0;
    own->status = FGM_OK;
    int64_t batch = (int64_t)((uint64_t)(fgm_atomic_load(&own->word) & ~(ONE_BATCH - 1)) + (uint64_t)ONE_BATCH);
    fgm_atomic_store(&own->word, batch | (work < SHORT_WORK * (double)n_tasks ? IS_SHORT : 0) | n_tasks);
    while (fgm_atomic_load(&own->word) & LEFT) take_task(with, own, false, false);
    help_until(with, &own->n_ended, n_tasks, true);
    int status = (int)fgm_atomic_load(&own->status);
    fgm_atomic_store(&own->is_taken, 0);
    return status;
}

/* What each thread does that run_tasks brings. */
static int be_member(void *data, int64_t index, int is_caller) {
    crew *own = data;
    bool was_helper = is_helper;
    (void)index;
    is_helper = !is_caller;
    if (fgm_atomic_add(&own->n_arrived, 1) == 0) {
        own->status = own->job(&own->options, own->data);
        fgm_atomic_store(&own->has_ended, 1);
    } else {
        help_until(own, &own->has_ended, 1, false);
    }
    is_helper = was_helper;
    return FGM_OK;
}

int fgm_with_crew(const fgm_options *options, double work, fgm_crew_job *job, void *data) {
    if (options->size != sizeof *options) return FGM_ERROR_VERSION;
    if (fgm_crew_of(options)) return job(options, data);
    if (!options->run_tasks || work < WORK_OF_A_CREW) {
        fgm_options alone = *options;
        alone.run_tasks = NULL;
        return job(&alone, data);
    }
    crew *own = calloc(1, sizeof *own);
    if (!own) return FGM_ERROR_MEMORY;
    own->options = *options;
    own->options.run_tasks = run_tasks;
    own->options.runner_data = own;
    own->job = job;
    own->data = data;
    int status = options->run_tasks(options->runner_data, MOST_MEMBERS, be_member, own);
    if (own->n_arrived > 0) status = own->status;
    free(own);
    return status;
}
