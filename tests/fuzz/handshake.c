/* SPDX-License-Identifier: MIT */
/* The proof of the key, between two ends that know it, by a wire that changes
 * what it likes: each message is preceded by a byte of choice, and may be
 * replaced by bytes of the input, have one of its bytes changed, or be cut.
 * Both are content only if nothing was changed. */
#include "fuzz.h"

#include "listener/handshake.h"
#include "region/participant.h"

#include <errno.h>
#include <string.h>

#define KEY   "a key"
#define TURNS 12

struct input {
    const uint8_t *at;
    size_t left;
};

struct end {
    struct mp__handshake handshake;
    int result;
};

static uint8_t
next(struct input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->at++;
}

/* Changes the message as the input tells. */
static void
change(struct input *input, uint8_t message[300], size_t *size)
{
    size_t n = next(input) % 4, at;

    switch (n) {
    case 1:
        n = next(input) + (size_t)next(input) % 2 * 10; /* up to 265 */
        n = n < input->left ? n : input->left;
        memcpy(message, input->at, n);
        input->at += n;
        input->left -= n;
        *size = n;
        break;
    case 2:
        at = next(input) % *size;
        message[at] ^= next(input);
        break;
    case 3:
        *size = next(input) % *size;
        break;
    }
}

/* Passes a message on; gives whether it was changed. */
static int
pass(struct input *input, struct end *from, struct end *to)
{
    struct mp__handshake *out = &from->handshake;
    uint8_t message[300];
    uint64_t size;
    size_t n;
    int header, same;

    header = mp__frame_read(out->out, out->out_size, &size);
    holds(header > 0 && size + (size_t)header == out->out_size &&
          size <= MP__HANDSHAKE_MOST);
    n = (size_t)size;
    memcpy(message, out->out + header, n);
    out->out_size = 0;
    change(input, message, &n);
    same = n == size && memcmp(message, out->out + header, n) == 0;
    to->result = mp__handshake_take(&to->handshake, message, n);
    holds(to->result == 0 || to->result == 1 || to->result == -EPROTO ||
          to->result == -EKEYREJECTED);
    return !same;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct end server = {.result = 0}, client = {.result = 0};
    struct end *from = &server, *to = &client, *swap;
    int md5 = next(&input) % 2, changed = 0;

    holds(mp__enter() == 0);
    holds(mp__handshake_begin(&server.handshake, KEY, 5, 1, md5) == 0);
    holds(mp__handshake_begin(&client.handshake, KEY, 5, 0, md5) == 0);
    for (int i = 0; i < TURNS; i++) {
        if (from->handshake.out_size > 0 && to->result == 0)
            changed |= pass(&input, from, to);
        swap = from;
        from = to;
        to = swap;
    }
    if (server.result == 1 && client.result == 1)
        holds(!changed);
    else
        holds(changed);
    mp__handshake_end(&server.handshake);
    mp__handshake_end(&client.handshake);
    return 0;
}
