#include "print.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREAD_COUNT 4
#define FLOOD_BLOCK_SIZE 65536

static void by_printf(const char *text)
{
    (void)printf("%s", text);
}

static void by_write(const char *text)
{
    (void)!write(STDOUT_FILENO, text, strlen(text));
}

static void to_stderr(const char *text)
{
    (void)fprintf(stderr, "%s", text);
}

static void to_both(const char *text)
{
    by_printf(text);
    to_stderr(text);
}

/* The text is a command line. */
static void by_shell(const char *text)
{
    (void)!system(text); /* NOLINT(cert-env33-c): this is what it is for */
}

static void by_child(const char *text)
{
    const pid_t child = fork();
    if (child == 0) {
        by_write(text);
        _exit(0);
    }
    (void)waitpid(child, NULL, 0);
}

static void by_copy(const char *text)
{
    const int copy = dup(STDOUT_FILENO);
    (void)!write(copy, text, strlen(text));
    (void)close(copy);
}

static void *print_in_thread(void *text)
{
    by_printf(text);
    return NULL;
}

static void by_threads(const char *text)
{
    pthread_t threads[THREAD_COUNT];
    char copy[256];
    (void)snprintf(copy, sizeof(copy), "%s", text);
    for (size_t i = 0; i < THREAD_COUNT; i++) {
        if (pthread_create(&threads[i], NULL, print_in_thread, copy) != 0) {
            return;
        }
    }
    for (size_t i = 0; i < THREAD_COUNT; i++) {
        (void)pthread_join(threads[i], NULL);
    }
}

/* Ten NULs before the text. */
static void with_nuls(const char *text)
{
    const char nuls[10] = {0};
    (void)fwrite(nuls, 1, sizeof(nuls), stdout);
    by_printf(text);
}

/* The text over and over: as many MiB as stand before it, in lines. */
static void as_flood(const char *text)
{
    char block[FLOOD_BLOCK_SIZE];
    char *line = NULL;
    const size_t size = (size_t)strtoull(text, &line, 10) << 20;
    const size_t line_size = strlen(line);
    size_t used = 0;
    while (line_size > 0 && used + line_size <= sizeof(block)) {
        memcpy(block + used, line, line_size);
        used += line_size;
    }
    for (size_t at = 0; at < size && used > 0; at += used) {
        (void)!write(STDERR_FILENO, block, used);
    }
}

static void after_closing(const char *text)
{
    (void)close(STDOUT_FILENO);
    (void)close(STDERR_FILENO);
    by_write(text);
}

/* Standard output goes to the file of that name from here on. */
static void into_file(const char *text)
{
    if (freopen(text, "a", stdout) != NULL) {
        (void)puts("into a file");
    }
}

void print_text(const char *way, const char *text)
{
    static const struct {
        const char *name;
        void (*print)(const char *text);
    } ways[] = {{"printf", by_printf}, {"write", by_write},      {"stderr", to_stderr},
                {"both", to_both},     {"shell", by_shell},      {"child", by_child},
                {"copy", by_copy},     {"threads", by_threads},  {"nuls", with_nuls},
                {"flood", as_flood},   {"close", after_closing}, {"file", into_file}};
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (strcmp(ways[i].name, way) == 0) {
            ways[i].print(text);
        }
    }
}
