#include "realtime.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_NAME = 64, MAX_ROOM = 128, MAX_LISTED = 1000 };

/* A room lives while somebody is in it: people, not members of its topic, whom a socket that closes
   leaves before its handler knows. */
typedef struct room {
    spout_topic *topic;
    size_t people;
    char name[];
} room;

/* The state of one socket. */
typedef struct person {
    char id[37];
    char username[MAX_NAME + 1];
    room *room;
    spout_websocket *socket;
} person;

/* Trees of <search.h>: rooms by name, people by connection id. */
static void *rooms, *people;
static size_t room_count, person_count;

static const char *allowed_origins; /* NULL: the same host; "*": any; else a comma-separated list */

size_t chat_rooms(void)
{
    return room_count;
}

size_t chat_people(void)
{
    return person_count;
}

void chat_configure(const char *origins)
{
    allowed_origins = origins;
}

static int compare_rooms(const void *a, const void *b)
{
    return strcmp(((const room *)a)->name, ((const room *)b)->name);
}

static int compare_people(const void *a, const void *b)
{
    return strcmp(((const person *)a)->id, ((const person *)b)->id);
}

static room *find_or_add_room(const char *name)
{
    size_t size = strlen(name) + 1;
    room *fresh = spout_alloc(sizeof *fresh + size);
    memcpy(fresh->name, name, size);
    room *found = *(room **)tsearch(fresh, &rooms, compare_rooms);
    if (found != fresh) {
        spout_free(fresh);
        return found;
    }
    fresh->topic = spout_topic_new();
    fresh->people = 0;
    room_count++;
    return fresh;
}

static room *enter_room(const char *name)
{
    room *r = find_or_add_room(name);
    r->people++;
    return r;
}

static void vacate(person *p)
{
    room *r = p->room;
    p->room = NULL;
    if (--r->people > 0)
        return;
    tdelete(r, &rooms, compare_rooms);
    spout_topic_free(r->topic);
    spout_free(r);
    room_count--;
}

/* --- sending --- */

static int tell(spout_websocket *ws, json_t *message)
{
    return spout_websocket_write_json(ws, message);
}

static int tell_error(spout_websocket *ws, const char *text)
{
    return tell(ws, json_pack("{s:s, s:s}", "type", "error", "message", text));
}

/* To the room, but `except`. Steals the message. */
static void tell_room(const room *r, json_t *message, const spout_websocket *except)
{
    char *text = json_dumps(message, JSON_COMPACT);
    json_decref(message);
    if (!text)
        return;
    spout_topic_publish_except(r->topic, spout_message_of(text), except, NULL);
    free(text);
}

static json_t *presence(const char *type, const person *p)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "type", type, "username", p->username, "room",
        p->room->name, "connection_id", p->id);
}

/* --- rooms --- */

static void leave(person *p)
{
    room *left = p->room;
    if (!left)
        return;
    spout_topic_leave(left->topic, p->socket);
    tell_room(left, presence("user_left", p), p->socket);
    vacate(p);
}

static json_t *members_of(const room *r)
{
    json_t *list = json_array();
    for (spout_websocket *ws = spout_topic_next(r->topic, NULL);
         ws && json_array_size(list) < MAX_LISTED; ws = spout_topic_next(r->topic, ws)) {
        const person *p = spout_websocket_state(ws);
        json_array_append_new(
            list, json_pack("{s:s, s:s}", "connection_id", p->id, "username", p->username));
    }
    return list;
}

static int join(spout_websocket *ws, const json_t *data)
{
    person *p = spout_websocket_state(ws);
    const char *name = json_string_value(json_object_get(data, "room"));
    const char *username = json_string_value(json_object_get(data, "username"));
    if (!name || !*name)
        return tell_error(ws, "Room name is required");
    if (strlen(name) > MAX_ROOM)
        return tell_error(ws, "Room name is too long");
    if (username && strlen(username) > MAX_NAME)
        return tell_error(ws, "Username is too long");
    leave(p);
    snprintf(p->username, sizeof p->username, "%s", username && *username ? username : "Anonymous");
    p->room = enter_room(name);
    if (spout_topic_join(p->room->topic, ws) < 0) {
        vacate(p);
        return -1;
    }
    tell_room(p->room, presence("user_joined", p), ws);
    return tell(ws, json_pack("{s:s, s:s, s:s, s:o, s:I}", "type", "room_joined", "room",
                        p->room->name, "username", p->username, "members", members_of(p->room),
                        "member_count", (json_int_t)spout_topic_count(p->room->topic)));
}

static int leave_room(spout_websocket *ws, const json_t *data)
{
    (void)data;
    leave(spout_websocket_state(ws));
    return 0;
}

/* --- messages --- */

/* The text without outer white space, scoped; NULL if it is none or empty. */
static const char *text_of(const json_t *data)
{
    static const char blank[] = " \t\r\n\v\f";
    const char *text = json_string_value(json_object_get(data, "message"));
    if (!text)
        return NULL;
    text += strspn(text, blank);
    size_t len = strlen(text);
    while (len > 0 && strchr(blank, text[len - 1]))
        len--;
    return len ? spout_scope_bytes((spout_bytes){ text, len }) : NULL;
}

static int chat_message(spout_websocket *ws, const json_t *data)
{
    const person *p = spout_websocket_state(ws);
    if (!p->room)
        return tell_error(ws, "Not in any room");
    const char *text = text_of(data);
    if (!text)
        return tell_error(ws, "Message cannot be empty");
    tell_room(p->room,
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:s}", "type", "chat_message", "username", p->username,
            "message", text, "room", p->room->name, "timestamp", site_timestamp(), "connection_id",
            p->id),
        NULL);
    return 0;
}

static person *find_person(const char *id)
{
    person key = { .room = NULL };
    if (!id || strlen(id) >= sizeof key.id)
        return NULL;
    memcpy(key.id, id, strlen(id) + 1);
    person **found = tfind(&key, &people, compare_people);
    return found ? *found : NULL;
}

static int private_message(spout_websocket *ws, const json_t *data)
{
    const person *p = spout_websocket_state(ws);
    const char *id = json_string_value(json_object_get(data, "target_connection"));
    const char *text = text_of(data);
    if (!id || !text)
        return tell_error(ws, "Target connection and message are required");
    const person *target = find_person(id);
    json_t *message = json_pack("{s:s, s:s, s:s, s:o, s:s}", "type", "private_message", "from",
        *p->username ? p->username : "Anonymous", "message", text, "timestamp", site_timestamp(),
        "connection_id", p->id);
    if (!target || tell(target->socket, message) < 0) {
        if (!target)
            json_decref(message);
        return tell_error(ws, "Failed to send private message");
    }
    return tell(ws,
        json_pack("{s:s, s:s, s:s}", "type", "private_message_sent", "to", id, "message", text));
}

static int ping(spout_websocket *ws, const json_t *data)
{
    (void)data;
    return tell(ws, json_pack("{s:s, s:o}", "type", "pong", "timestamp", site_timestamp()));
}

/* --- the socket --- */

static int dispatch(spout_websocket *ws, const json_t *data)
{
    static const struct {
        const char *type;
        int (*handle)(spout_websocket *ws, const json_t *data);
    } types[] = {
        { "join_room", join },
        { "leave_room", leave_room },
        { "chat_message", chat_message },
        { "private_message", private_message },
        { "ping", ping },
    };
    const char *type = json_string_value(json_object_get(data, "type"));
    for (size_t i = 0; type && i < sizeof types / sizeof types[0]; i++)
        if (strcmp(type, types[i].type) == 0)
            return types[i].handle(ws, data);
    return tell_error(ws, "Unknown message type");
}

static int on_message(spout_websocket *ws, spout_message message)
{
    json_t *data = spout_json_parse((spout_bytes){ message.data, message.len });
    int result;
    if (!data)
        result = tell_error(ws, "Invalid JSON format");
    else if (!json_is_object(data))
        result = tell_error(ws, "Invalid JSON format: an object is needed");
    else
        result = dispatch(ws, data);
    json_decref(data);
    /* A peer that went away meanwhile is no failure of ours. */
    return result == SPOUT_ECLOSED ? 0 : result;
}

static int on_open(spout_websocket *ws)
{
    person *p = spout_websocket_state(ws);
    p->socket = ws;
    spout_uuid4(p->id);
    tsearch(p, &people, compare_people);
    person_count++;
    return tell(ws, json_pack("{s:s, s:s, s:s}", "type", "welcome", "connection_id", p->id,
                        "message", "Connected"));
}

static int on_close(spout_websocket *ws)
{
    person *p = spout_websocket_state(ws);
    leave(p);
    tdelete(p, &people, compare_people);
    person_count--;
    return 0;
}

static bool check_origin(spout_request *r, const char *origin)
{
    if (spout_websocket_is_same_origin(r, origin))
        return true;
    const char *list = allowed_origins ? allowed_origins : "";
    while (*list) {
        size_t len = strcspn(list, ",");
        if ((len == 1 && *list == '*') ||
            (len == strlen(origin) && strncmp(list, origin, len) == 0))
            return true;
        list += len + (list[len] == ',');
    }
    return false;
}

static const spout_websocket_handler chat_socket = {
    .open = on_open,
    .message = on_message,
    .close = on_close,
    .check_origin = check_origin,
    .state_size = sizeof(person),
    .max_message_size = 64 << 10,
    .ping_interval_ms = 30000,
};

static const site_traits waits = { .waits = true };

const spout_handler chat_handler = {
    .base = &site, .name = "chat", .websocket = &chat_socket, .config = &waits
};
