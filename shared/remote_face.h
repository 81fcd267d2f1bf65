/* remote_face.h - what the module with libcurl gives to remote.c. */
#ifndef SHARED_REMOTE_FACE_H
#define SHARED_REMOTE_FACE_H

#include "shared/mapfleet.h"
#include "shared/remote.h"

#define REMOTE_FACE_NAME "mapfleet_remote_face"

struct remote_client; /* fields: remote_client.h */

struct remote_face {
    const char *version; /* of mapfleet */
    void (*describe)(char *text_out, size_t text_size);
    enum status (*create)(const struct remote_settings *settings, struct remote_client **client_out,
                          struct error *err);
    void (*destroy)(struct remote_client *client);
    enum status (*head)(struct remote_client *client, const char *url,
                        struct remote_about *about_out, struct error *err);
    enum status (*get)(struct remote_client *client, struct remote_get *get, struct error *err);
    enum status (*put)(struct remote_client *client, const char *url, const char *path,
                       struct error *err);
    enum status (*remove)(struct remote_client *client, const char *url, struct error *err);
    enum status (*list)(struct remote_client *client, const char *url, remote_visit *visit,
                        void *context, struct error *err);
};

MF_EXPORT const struct remote_face *mapfleet_remote_face(void);

#endif
