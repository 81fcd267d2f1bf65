/* augment.c - three random variants of a photo, to train an image classifier with.
 *
 *     file --read--> bytes --decode--> photo --transform (3 times)--> variant --> JPEG file
 *
 *     wf: query --fetch_urls--> photos --data_augment, a map--> lists of variants --coalesce--> one
 *
 * What is varied, and how far, is the usual recipe of Keras's ImageDataGenerator: rotation, shifts,
 * shear, zoom and a flip, edges filled with the nearest pixel. All of them together are one affine
 * transform, so that the pixels are interpolated once.
 *
 * Random: splitmix64, started with the instance's seed; the draws are made in the order of the
 *         fields of `struct variant`. Every attempt, on every rank, gives the same pictures.
 * Failure: a file that can't be read, or a variant that can't be written, may be better next time;
 *          a photo that is damaged will not be.
 */
#include <mapfleet.h>

#include <fnmatch.h>
#include <math.h>
#include <string.h>
#include <vips/vips.h>

/* A pattern of the shell for names (*.jpg), and where the photos are: in a folder, by default this
 * one, or on a server, at the URL of a folder of which it gives an index. */
#define QUERY "{query: str, photos?: dir, index?: file}"

/* An index reaches its task as a file that has been fetched; `url` is where from. */
#define LISTING "{query: str, photos?: dir, index?: file, url?: str}"

#define VARIANT_COUNT 3
#define JPEG_QUALITY 90

#define ROTATION_MAX (40.0 * G_PI / 180.0) /* radians */
#define SHIFT_MAX 0.2                      /* of the width, of the height */
#define SHEAR_MAX 0.2                      /* radians */
#define ZOOM_MAX 0.2                       /* either way from 1 */

/* What is around the photo: the transform also reads the neighbours of the pixels it needs. */
#define NEIGHBOUR_PIXELS 2

struct variant {
    double rotation;
    double shift_y;
    double shift_x;
    double shear;
    double zoom_y;
    double zoom_x;
    bool is_flipped;
};

struct point {
    double x;
    double y;
};

/* x' = xx x + xy y, y' = yx x + yy y */
struct matrix {
    double xx;
    double xy;
    double yx;
    double yy;
};

/* Which point of the photo is seen at a point of the variant: linear * (point - centre) + shift +
 * centre. */
struct view {
    struct matrix linear;
    struct point shift;
    struct point centre;
};

/* Pixels to add on each side of the photo. */
struct margins {
    int left;
    int top;
    int right;
    int bottom;
};

static uint64_t random_next(uint64_t *state)
{
    uint64_t bits = *state += UINT64_C(0x9e3779b97f4a7c15);
    bits = (bits ^ (bits >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ (bits >> 27)) * UINT64_C(0x94d049bb133111eb);
    return bits ^ (bits >> 31);
}

/* Evenly from [middle - reach, middle + reach). */
static double random_around(uint64_t *state, double middle, double reach)
{
    const double unit = (double)(random_next(state) >> 11) * 0x1p-53;
    return middle + reach * (2.0 * unit - 1.0);
}

static struct variant variant_draw(uint64_t *state)
{
    struct variant variant;
    variant.rotation = random_around(state, 0.0, ROTATION_MAX);
    variant.shift_y = random_around(state, 0.0, SHIFT_MAX);
    variant.shift_x = random_around(state, 0.0, SHIFT_MAX);
    variant.shear = random_around(state, 0.0, SHEAR_MAX);
    variant.zoom_y = random_around(state, 1.0, ZOOM_MAX);
    variant.zoom_x = random_around(state, 1.0, ZOOM_MAX);
    variant.is_flipped = random_next(state) >> 63 == 1;
    return variant;
}

static struct matrix matrix_multiply(struct matrix a, struct matrix b)
{
    return (struct matrix){
        .xx = a.xx * b.xx + a.xy * b.yx,
        .xy = a.xx * b.xy + a.xy * b.yy,
        .yx = a.yx * b.xx + a.yy * b.yx,
        .yy = a.yx * b.xy + a.yy * b.yy,
    };
}

/* Every matrix here is a product of rotations, zooms, flips and small shears: none is singular. */
static struct matrix matrix_invert(struct matrix m)
{
    const double determinant = m.xx * m.yy - m.xy * m.yx;
    return (struct matrix){
        .xx = m.yy / determinant,
        .xy = -m.xy / determinant,
        .yx = -m.yx / determinant,
        .yy = m.xx / determinant,
    };
}

static struct point matrix_apply(struct matrix m, struct point p)
{
    return (struct point){.x = m.xx * p.x + m.xy * p.y, .y = m.yx * p.x + m.yy * p.y};
}

/* Keras's order, from the photo to the variant: rotate, shift, shear, zoom, flip. Its matrices are
 * for (row, column), so that the signs of rotation and shear differ from a textbook's (x, y). */
static struct view view_create(const struct variant *variant, int width, int height)
{
    const double cosine = cos(variant->rotation);
    const double sine = sin(variant->rotation);
    const struct matrix rotation = {.xx = cosine, .xy = sine, .yx = -sine, .yy = cosine};
    const struct matrix shear = {
        .xx = cos(variant->shear), .xy = 0.0, .yx = -sin(variant->shear), .yy = 1.0};
    const struct matrix zoom_and_flip = {
        .xx = variant->is_flipped ? -variant->zoom_x : variant->zoom_x,
        .xy = 0.0,
        .yx = 0.0,
        .yy = variant->zoom_y,
    };
    const struct point shift = {.x = variant->shift_x * width, .y = variant->shift_y * height};

    return (struct view){
        .linear = matrix_multiply(rotation, matrix_multiply(shear, zoom_and_flip)),
        .shift = matrix_apply(rotation, shift),
        .centre = {.x = (width - 1) / 2.0, .y = (height - 1) / 2.0},
    };
}

/* How far the view of the four corners, and so of the whole variant, reaches over the edges. */
static struct margins view_margins(const struct view *view)
{
    const struct matrix m = view->linear;
    const double reach_x = fabs(m.xx) * view->centre.x + fabs(m.xy) * view->centre.y;
    const double reach_y = fabs(m.yx) * view->centre.x + fabs(m.yy) * view->centre.y;
    const double over_x = reach_x - view->centre.x;
    const double over_y = reach_y - view->centre.y;

    return (struct margins){
        .left = (int)ceil(fmax(over_x - view->shift.x, 0.0)) + NEIGHBOUR_PIXELS,
        .top = (int)ceil(fmax(over_y - view->shift.y, 0.0)) + NEIGHBOUR_PIXELS,
        .right = (int)ceil(fmax(over_x + view->shift.x, 0.0)) + NEIGHBOUR_PIXELS,
        .bottom = (int)ceil(fmax(over_y + view->shift.y, 0.0)) + NEIGHBOUR_PIXELS,
    };
}

/* Gives NULL, and leaves the reason in libvips's error buffer, on failure. The caller unrefs.
 *
 * vips_affine() fills what lies further than a pixel outside of its input with one colour, whatever
 * its `extend` is. So the photo is first extended by all that the view takes in. */
static VipsImage *transform(VipsImage *photo, const struct variant *variant)
{
    const int width = vips_image_get_width(photo);
    const int height = vips_image_get_height(photo);
    const struct view view = view_create(variant, width, height);
    const struct margins margins = view_margins(&view);
    VipsImage *extended = NULL;
    VipsImage *result = NULL;

    if (vips_embed(photo, &extended, margins.left, margins.top,
                   margins.left + width + margins.right, margins.top + height + margins.bottom,
                   "extend", VIPS_EXTEND_COPY, NULL) != 0) {
        return NULL;
    }

    /* vips_affine() wants the way from the photo to the variant, which must bring the point that
     * the variant's centre sees to that centre. It interpolates bilinearly unless told. */
    const struct matrix forward = matrix_invert(view.linear);
    const struct point seen = {.x = margins.left + view.centre.x + view.shift.x,
                               .y = margins.top + view.centre.y + view.shift.y};
    const struct point moved = matrix_apply(forward, seen);
    VipsArrayInt *area = vips_array_int_newv(4, 0, 0, width, height);
    if (vips_affine(extended, &result, forward.xx, forward.xy, forward.yx, forward.yy, "oarea",
                    area, "odx", view.centre.x - moved.x, "ody", view.centre.y - moved.y,
                    NULL) != 0) {
        result = NULL;
    }
    vips_area_unref(VIPS_AREA(area));
    g_object_unref(extended); /* the result holds on to it */
    return result;
}

/* What libvips says of its last failure, as one line. The caller frees it with g_free(). */
static char *take_vips_error(void)
{
    char *text = vips_error_buffer_copy();
    return g_strdelimit(g_strchomp(text), "\n", ' ');
}

static mf_status load_photo(mf_context *ctx, const char *path, VipsImage **photo_out)
{
    mf_status status = MF_OK;
    GError *error = NULL;
    char *data = NULL;
    size_t size = 0;
    VipsImage *lazy = NULL;

    if (!g_file_get_contents(path, &data, &size, &error)) {
        status = mf_fail(ctx, "%s", error->message);
        g_error_free(error);
        return status;
    }

    /* libvips decodes when pixels are asked for. To do it here, once, tells a damaged photo from
     * what else may fail later. */
    lazy = vips_image_new_from_buffer(data, size, "", "fail_on", VIPS_FAIL_ON_WARNING, NULL);
    *photo_out = lazy == NULL ? NULL : vips_image_copy_memory(lazy);
    if (*photo_out == NULL) {
        char *reason = take_vips_error();
        status = mf_fail_permanently(ctx, "%s: not a whole photo: %s", path, reason);
        g_free(reason);
    }
    g_clear_object(&lazy);
    g_free(data);
    return status;
}

static mf_status write_variant(mf_context *ctx, VipsImage *photo, const struct variant *variant,
                               const char *path)
{
    mf_status status = MF_OK;
    VipsImage *image = transform(photo, variant);

    if (image == NULL || vips_jpegsave(image, path, "Q", JPEG_QUALITY, NULL) != 0) {
        char *reason = take_vips_error();
        status = mf_fail(ctx, "%s: %s", path, reason);
        g_free(reason);
    }
    g_clear_object(&image);
    return status;
}

static mf_status data_augment(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    uint64_t random = mf_seed(ctx);
    VipsImage *photo = NULL;
    const char *workdir = mf_workdir(ctx);

    if (workdir == NULL) {
        return MF_FAIL;
    }
    mf_status status = load_photo(ctx, mf_path(input), &photo);
    if (status != MF_OK) {
        return status;
    }

    mf_begin_list(output);
    for (int i = 0; i < VARIANT_COUNT && status == MF_OK; i++) {
        const struct variant variant = variant_draw(&random);
        char *path = g_strdup_printf("%s/variant-%d.jpg", workdir, i);
        status = write_variant(ctx, photo, &variant, path);
        if (status == MF_OK) {
            mf_put_file(output, path);
        }
        g_free(path);
    }
    mf_end_list(output);
    g_object_unref(photo);
    return status;
}

/* ---- Before and after -------------------------------------------------------------------------
 */

static bool is_photo(const char *name)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"};
    const char *point = strrchr(name, '.');
    for (size_t i = 0; point != NULL && i < G_N_ELEMENTS(endings); i++) {
        if (g_ascii_strcasecmp(point, endings[i]) == 0) {
            return true;
        }
    }
    return false;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool matches(const char *name, const char *query)
{
    return is_photo(name) && fnmatch(query, name, FNM_PERIOD) == 0;
}

/* The photos in the folder that match. */
static mf_status list_folder(mf_context *ctx, const char *path, const char *query, GPtrArray *found)
{
    GError *error = NULL;
    GDir *folder = g_dir_open(path, 0, &error);
    const char *name;
    if (folder == NULL) {
        const mf_status status = mf_fail_permanently(ctx, "%s", error->message);
        g_error_free(error);
        return status;
    }
    while ((name = g_dir_read_name(folder)) != NULL) {
        if (matches(name, query)) {
            g_ptr_array_add(found, g_build_filename(path, name, NULL));
        }
    }
    g_dir_close(folder);
    return MF_OK;
}

/* A link of an index, where it is the name of a photo in the same folder that matches. Names are
 * matched as people read them, and stay in the URL as the server wrote them. */
static void take_link(const char *link, const char *url, const char *query, GPtrArray *found)
{
    char *name = g_uri_unescape_string(link, "/"); /* NULL where its %-signs are none */
    if (name != NULL && strpbrk(link, "/?#") == NULL && matches(name, query)) {
        g_ptr_array_add(found, g_strconcat(url, link, NULL));
    }
    g_free(name);
}

/* The photos that an index links to and that match: href="NAME", as all common servers write it. */
static mf_status list_index(mf_context *ctx, const char *path, const char *url, const char *query,
                            GPtrArray *found)
{
    GError *error = NULL;
    char *page = NULL;
    if (!g_file_get_contents(path, &page, NULL, &error)) {
        const mf_status status = mf_fail(ctx, "%s", error->message);
        g_error_free(error);
        return status;
    }
    char **parts = g_strsplit(page, "href=\"", -1);
    for (size_t i = 1; parts[0] != NULL && parts[i] != NULL; i++) {
        char **words = g_strsplit(parts[i], "\"", 2);
        char **pieces = g_strsplit(words[0], "&amp;", -1);
        char *link = g_strjoinv("&", pieces);
        take_link(link, url, query, found);
        g_free(link);
        g_strfreev(pieces);
        g_strfreev(words);
    }
    g_strfreev(parts);
    g_free(page);
    return MF_OK;
}

/* Sorted, so that every attempt gives the same list, and each once. */
static void put_photos(GPtrArray *photos, mf_writer *output)
{
    g_ptr_array_sort(photos, compare_names);
    mf_begin_list(output);
    for (guint i = 0; i < photos->len; i++) {
        const char *photo = g_ptr_array_index(photos, i);
        if (i == 0 || strcmp(photo, g_ptr_array_index(photos, i - 1)) != 0) {
            mf_put_path(output, photo);
        }
    }
    mf_end_list(output);
}

static mf_status fetch_urls(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const char *query = mf_str(mf_field(input, "query"));
    const mf_value *photos = mf_field(input, "photos");
    const mf_value *index = mf_field(input, "index");
    const mf_value *url = mf_field(input, "url");
    if ((index == NULL) != (url == NULL)) {
        return mf_fail_permanently(ctx, "expected both index and url, or none of them");
    }
    GPtrArray *found = g_ptr_array_new_with_free_func(g_free);
    const mf_status status =
        index != NULL ? list_index(ctx, mf_path(index), mf_str(url), query, found)
                      : list_folder(ctx, photos != NULL ? mf_path(photos) : ".", query, found);
    if (status == MF_OK) {
        put_photos(found, output);
    }
    g_ptr_array_unref(found);
    return status;
}

static mf_status coalesce(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_begin_list(output);
    for (size_t i = 0; i < mf_count(input); i++) {
        const mf_value *variants = mf_item(input, i);
        for (size_t j = 0; j < mf_count(variants); j++) {
            mf_put_value(output, mf_item(variants, j));
        }
    }
    mf_end_list(output);
    return MF_OK;
}

/* What fetch_urls() is asked for; NULL where it makes no sense. */
static const mf_value *make_listing(mf_workflow *flow, const mf_value *input)
{
    const mf_value *index = mf_field(input, "index");
    if (index == NULL) {
        return input;
    }
    if (mf_field(input, "photos") != NULL) {
        (void)mf_workflow_fail(flow, "photos and index are given: expected one of them");
        return NULL;
    }
    if (!g_str_has_suffix(mf_str(index), "/")) {
        (void)mf_workflow_fail(flow, "index: expected the URL of a folder, http://HOST/PATH/");
        return NULL;
    }
    mf_writer *listing = mf_make(flow);
    mf_begin_map(listing);
    mf_put_key(listing, "query");
    mf_put_value(listing, mf_field(input, "query"));
    mf_put_key(listing, "index");
    mf_put_value(listing, index);
    mf_put_key(listing, "url");
    mf_put_value(listing, index);
    mf_end_map(listing);
    return mf_made(flow, listing);
}

static mf_status wf(mf_workflow *flow, const mf_value *input, mf_writer *output)
{
    const mf_value *listing = make_listing(flow, input);
    if (listing == NULL) {
        return MF_FAIL;
    }
    const mf_value *photos = mf_call_value(flow, "fetch_urls", listing, NULL);
    if (photos == NULL) {
        return MF_FAIL;
    }
    if (mf_count(photos) == 0) {
        return mf_workflow_fail(flow, "no photo matches \"%s\"", mf_str(mf_field(input, "query")));
    }
    const mf_value *variants = mf_map(flow, "data_augment", photos, NULL);
    return variants != NULL ? mf_call(flow, "coalesce", variants, output) : MF_FAIL;
}

/* ---- The job ----------------------------------------------------------------------------------
 */

/* One thread and no cache: mapfleet runs as many attempts at a time as there are cores, and no two
 * of them ask for the same pixels. */
static mf_status setup(mf_context *ctx, void **state)
{
    (void)state;
    if (VIPS_INIT("augment") != 0) {
        char *reason = take_vips_error();
        const mf_status status = mf_fail(ctx, "libvips does not start: %s", reason);
        g_free(reason);
        return status;
    }
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    return MF_OK;
}

static void teardown(void *state)
{
    (void)state;
    vips_shutdown();
}

void mf_job(mf_registry *job)
{
    mf_register_setup(job, setup, teardown);
    mf_register_task(job, &(mf_task){.name = "fetch_urls",
                                     .fn = fetch_urls,
                                     .input = LISTING,
                                     .output = "list<file>",
                                     .help = "The photos in a folder or an index that match.",
                                     .mem = "600Mi"});
    mf_register_task(job, &(mf_task){.name = "data_augment",
                                     .fn = data_augment,
                                     .input = "file",
                                     .output = "list<file>",
                                     .help = "Three random variants of a photo, as JPEG files.",
                                     .retries = 1,
                                     .mem = "1000Mi",
                                     .cache_version = "1.0"});
    mf_register_task(job, &(mf_task){.name = "coalesce",
                                     .fn = coalesce,
                                     .input = "list<list<file>>",
                                     .output = "list<file>",
                                     .help = "One list of all that stands in several.",
                                     .mem = "600Mi"});
    mf_register_workflow(job, &(mf_workflow_def){.name = "wf",
                                                 .fn = wf,
                                                 .input = QUERY,
                                                 .output = "list<file>",
                                                 .help = "Variants of the photos that match."});
}
