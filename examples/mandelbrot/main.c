/* SPDX-License-Identifier: MIT */
/* mandelbrot FILE.png: a picture whose rows a pool of processes has painted.
 *
 * The pixels are an array in the family's memory, and the rows of it are the
 * results of a map: each worker paints where the picture is, nothing is copied.
 * Rows differ in what they cost, by a factor of a hundred; workers take the
 * next ones when they are done with theirs. */
#include <math.h>
#include <mproc.h>
#include <png.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct pixel {
    uint8_t red, green, blue;
};

/* What every worker has to know. */
struct view {
    double x, y;  /* the middle */
    double width; /* of what is to be seen */
    int columns, rows;
    int most; /* steps, until a point counts as one that stays */
};

static void
die(const char *what, const char *why)
{
    fprintf(stderr, "mandelbrot: %s: %s\n", what, why);
    exit(1);
}

static double
seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- The picture ---- */

/* After how many steps the point has left, as a fraction; 0: it stays. */
static double
steps_of(double x, double y, int most)
{
    double a = 0, b = 0, aa = 0, bb = 0;

    for (int n = 1; n <= most; n++) {
        b = 2 * a * b + y;
        a = aa - bb + x;
        aa = a * a;
        bb = b * b;
        if (aa + bb > 256)
            return n + 1 - log2(log2(aa + bb) / 2);
    }
    return 0;
}

static uint8_t
shade(double t, double phase)
{
    return (uint8_t)(127.5 + 127.5 * cos(6.283185307 * (t + phase)));
}

static struct pixel
colour_of(double steps)
{
    double t = sqrt(steps) / 7;

    if (steps == 0)
        return (struct pixel){0, 0, 0};
    return (struct pixel){shade(t, 0.5), shade(t, 0.6), shade(t, 0.75)};
}

/* The middle of four points in the pixel: smoother than one. */
static struct pixel
paint_pixel(double x, double y, double step, int most)
{
    int red = 0, green = 0, blue = 0;

    for (int i = 0; i < 4; i++) {
        struct pixel p = colour_of(
            steps_of(x + i % 2 * step / 2, y - i / 2 * step / 2, most));

        red += p.red;
        green += p.green;
        blue += p.blue;
    }
    return (struct pixel){(uint8_t)(red / 4), (uint8_t)(green / 4),
                          (uint8_t)(blue / 4)};
}

/* For the map: the item is the number of a row, the result the row. */
static int
paint_row(const void *item, void *result, void *ctx)
{
    const struct view *view = ctx;
    const int row = *(const int *)item;
    struct pixel *pixels = result;
    double step = view->width / view->columns;
    double y = view->y + (view->rows / 2.0 - row) * step;

    for (int i = 0; i < view->columns; i++) {
        double x = view->x + (i - view->columns / 2.0) * step;

        pixels[i] = paint_pixel(x, y, step, view->most);
    }
    return 0;
}

/* ---- Painting it ---- */

static double
paint(const struct view *view, const int *rows, struct pixel *pixels,
      int workers)
{
    MP_POOL_SCOPE mp_pool *pool = NULL;
    double begin = seconds();

    if (mp_pool_create(&pool, workers, NULL) < 0 ||
        mp_pool_map(pool, paint_row, rows, sizeof(*rows), pixels,
                    (size_t)view->columns * sizeof(*pixels),
                    (size_t)view->rows,
                    MP_MAP_ATTR(.ctx = view, .ctx_size = sizeof(*view),
                                .retries = 2, .progress = "mandelbrot")) < 0)
        die("the pool", mp_last_error());
    return seconds() - begin;
}

/* The same by a loop, into memory of our own: how long it took. */
static double
paint_alone(struct view view, const int *rows, const struct pixel *pixels)
{
    size_t row_size = (size_t)view.columns * sizeof(struct pixel);
    struct pixel *row = malloc(row_size);
    double begin = seconds();

    if (!row)
        die("alone", "out of memory");
    for (int i = 0; i < view.rows; i++) {
        paint_row(&rows[i], row, &view);
        if (memcmp(row, pixels + (size_t)i * (size_t)view.columns, row_size))
            die("alone", "the picture is another one");
    }
    free(row);
    return seconds() - begin;
}

static void
write_png(const char *path, const struct view *view,
          const struct pixel *pixels)
{
    png_image image = {
        .version = PNG_IMAGE_VERSION,
        .width = (png_uint_32)view->columns,
        .height = (png_uint_32)view->rows,
        .format = PNG_FORMAT_RGB,
    };

    if (!png_image_write_to_file(&image, path, 0, pixels, 0, NULL))
        die(path, image.message);
}

static void
usage(void)
{
    fputs("usage: mandelbrot [-j N] [-s] [-w WIDTH] FILE.png\n"
          "\n"
          "  -j N      by N processes; by default as many as there are\n"
          "            processors to use\n"
          "  -s        paint it again without a pool, and compare\n"
          "  -w WIDTH  in pixels, 1120 by default\n",
          stderr);
    exit(2);
}

static int
number_of(const char *text, int most)
{
    int n = atoi(text);

    if (n < 1 || n > most)
        usage();
    return n;
}

int
main(int argc, char **argv)
{
    struct view view = {-0.74364, 0.13183, 0.0035, 1120, 0, 2000};
    int workers = mp_cpu_count(), option, again = 0;
    struct pixel *pixels;
    mp_array *picture;
    double together, alone;
    int *rows;

    while ((option = getopt(argc, argv, "j:sw:")) != -1) {
        if (option == 'j')
            workers = number_of(optarg, 1000);
        else if (option == 'w')
            view.columns = number_of(optarg, 20000);
        else if (option == 's')
            again = 1;
        else
            usage();
    }
    if (optind != argc - 1)
        usage();
    view.rows = view.columns * 5 / 8;
    if (view.rows == 0)
        view.rows = 1;

    rows = calloc((size_t)view.rows, sizeof(*rows));
    if (!rows ||
        mp_array_create_of(&picture, sizeof(struct pixel),
                           (size_t)view.columns * (size_t)view.rows, NULL) < 0)
        die("the picture", "out of memory");
    for (int i = 0; i < view.rows; i++)
        rows[i] = i;
    pixels = mp_array_data(picture);

    together = paint(&view, rows, pixels, workers);
    write_png(argv[optind], &view, pixels);
    printf("%s: %d x %d pixels\n", argv[optind], view.columns, view.rows);
    if (again) {
        alone = paint_alone(view, rows, pixels);
        printf("%d workers: %.2f s; one process alone: %.2f s, %.1f times as "
               "long, for the same picture\n",
               workers, together, alone, alone / together);
    }
    mp_array_destroy(picture);
    free(rows);
    return 0;
}
