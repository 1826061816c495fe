/* SPDX-License-Identifier: MIT */
#include "idle.h"

double
stream_run(struct stream *s, crew_fn *fn)
{
    const struct load *load = s->load;
    struct crew *crew;
    uint64_t in = 0, out = 0;
    double ns = (s->threads ? crew_run_threads : crew_run)(
        load->producers + load->consumers, load->pinned, fn, s, &crew);

    for (int i = 0; i < crew->members; i++)
        *(i < load->producers ? &in : &out) += crew->seats[i].sum;
    if (in != out || in == 0)
        fail("what came out is not what was put in");
    return ns / (double)load->ops;
}

double
stream_run_bounce(struct stream *s, crew_fn *fn)
{
    struct crew *crew;
    double ns = crew_run(2, s->load->pinned, fn, s, &crew);

    if (crew->seats[0].sum != (uint64_t)s->load->ops)
        fail("not every answer came back");
    return ns / (double)s->load->ops;
}

double
idle_run(struct stream *s, crew_fn *fn)
{
    struct crew *crew;
    uint64_t ns = 0;

    crew_run(1 + s->load->consumers, s->load->pinned, fn, s, &crew);
    for (int i = 0; i < crew->members; i++)
        ns += crew->seats[i].sum;
    return (double)ns / (double)s->load->ops;
}
