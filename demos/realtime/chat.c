/*
 * The chat. A room is a topic: who is in it, on whichever worker, is what the topic says, and what
 * each worker tells its people follows from that. A private message goes to a topic in which its
 * recipient is alone.
 */
#include "realtime.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_NAME = 64, MAX_ROOM = 128, MAX_LISTED = 1000, ID_LEN = 36 };

/* The state of one socket. */
typedef struct person {
    char id[ID_LEN + 1];
    char username[MAX_NAME + 1];
    spout_topic *room;  /* NULL: in none */
    spout_topic *alone; /* for private messages */
} person;

static size_t person_count; /* of this worker */

static const char *allowed_origins; /* NULL: the same host; "*": any; else a comma-separated list */

size_t chat_people(void)
{
    return person_count;
}

/* As browsers write it: https://example.org:8443. */
static bool is_origin(const char *text, size_t len)
{
    if (len == 1 && *text == '*')
        return true;
    size_t scheme = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+-.");
    if (scheme == 0 || scheme + 3 >= len || strncmp(text + scheme, "://", 3) != 0)
        return false;
    return strcspn(text + scheme + 3, "/?#@ ,") == len - scheme - 3;
}

int chat_configure(const char *origins)
{
    for (const char *list = origins ? origins : ""; *list;) {
        size_t len = strcspn(list, ",");
        if (!is_origin(list, len))
            return spout_error_set(SPOUT_EINVAL,
                "option '--allow-origin': '%.*s' is no origin such as https://example.org",
                (int)len, list);
        list += len + (list[len] == ',');
    }
    allowed_origins = origins;
    return 0;
}

/* Topics have one space of names. Scoped. */
static const char *topic_of_room(const char *room)
{
    return spout_scope_format("room/%s", room);
}

static const char *topic_of_person(const char *id)
{
    return spout_scope_format("person/%s", id);
}

static const char *room_name(const spout_topic *room)
{
    return spout_topic_name(room) + strlen("room/");
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

/* Steals the message. */
static int publish(spout_topic *topic, json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT);
    json_decref(message);
    int result = text ? spout_topic_publish(topic, spout_message_of(text)) : 0;
    free(text);
    return result;
}

/* --- rooms --- */

/* What a topic knows of a member: {"connection_id", "username"}. Owned. */
static json_t *facts_of(const spout_member *member)
{
    json_t *facts = json_loads(member->info, 0, NULL);
    return facts ? facts : json_object();
}

/* To all of this worker in the room but one: each worker tells its own. */
static void tell_presence(
    spout_topic *room, const char *type, const spout_member *member, const spout_websocket *except)
{
    json_t *message = facts_of(member);
    json_object_set_new(message, "type", json_string(type));
    json_object_set_new(message, "room", json_string(room_name(room)));
    char *text = json_dumps(message, JSON_COMPACT);
    json_decref(message);
    if (text)
        spout_topic_publish_here(room, spout_message_of(text), except, NULL);
    free(text);
}

static json_t *members_of(const spout_topic *room)
{
    json_t *list = json_array();
    spout_member member = { 0 };
    while (json_array_size(list) < MAX_LISTED && spout_topic_next_member(room, &member))
        json_array_append_new(list, facts_of(&member));
    return list;
}

static void tell_joiner(const spout_topic *room, const spout_member *member)
{
    json_t *members = members_of(room);
    if (json_array_size(members) == MAX_LISTED)
        json_array_set_new(members, MAX_LISTED - 1, facts_of(member));
    const person *p = spout_websocket_state(member->ws);
    tell(member->ws, json_pack("{s:s, s:s, s:s, s:o, s:I}", "type", "room_joined", "room",
                         room_name(room), "username", p->username, "members", members,
                         "member_count", (json_int_t)spout_topic_count(room)));
}

static void on_joined(void *arg, spout_topic *room, const spout_member *member)
{
    (void)arg;
    tell_presence(room, "user_joined", member, member->ws);
    if (member->ws)
        tell_joiner(room, member);
}

static void on_left(void *arg, spout_topic *room, const spout_member *member)
{
    (void)arg;
    tell_presence(room, "user_left", member, NULL);
}

static const spout_topic_watcher room_watcher = { .joined = on_joined, .left = on_left };

static void leave(spout_websocket *ws)
{
    person *p = spout_websocket_state(ws);
    if (!p->room)
        return;
    spout_topic_leave(p->room, ws);
    spout_topic_free(p->room);
    p->room = NULL;
}

static int enter(spout_websocket *ws, const char *name)
{
    person *p = spout_websocket_state(ws);
    p->room = spout_topic_new_named(topic_of_room(name));
    if (!p->room)
        return -1;
    spout_topic_watch(p->room, &room_watcher, NULL);
    json_t *facts = json_pack("{s:s, s:s}", "connection_id", p->id, "username", p->username);
    char *info = json_dumps(facts, JSON_COMPACT);
    json_decref(facts);
    int result = spout_topic_join_as(p->room, ws, info);
    free(info);
    if (result < 0)
        leave(ws);
    return result;
}

/* A name has no NUL in it: what stands before one may be somebody else's. NULL if it is none. */
static const char *name_of(const json_t *data, const char *key)
{
    const json_t *value = json_object_get(data, key);
    const char *text = json_string_value(value);
    return text && strlen(text) == json_string_length(value) ? text : NULL;
}

static int join(spout_websocket *ws, const json_t *data)
{
    person *p = spout_websocket_state(ws);
    const char *name = name_of(data, "room");
    const char *username = name_of(data, "username");
    if (!name || !*name)
        return tell_error(ws, "Room name is required");
    if (strlen(name) > MAX_ROOM)
        return tell_error(ws, "Room name is too long");
    if (username && strlen(username) > MAX_NAME)
        return tell_error(ws, "Username is too long");
    leave(ws);
    snprintf(p->username, sizeof p->username, "%s", username && *username ? username : "Anonymous");
    return enter(ws, name);
}

static int leave_room(spout_websocket *ws, const json_t *data)
{
    (void)data;
    leave(ws);
    return 0;
}

/* --- messages --- */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The text without outer white space, whatever else is in it. Owned; NULL if it is none or empty. */
static json_t *text_of(const json_t *data)
{
    const json_t *value = json_object_get(data, "message");
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    for (; len > 0 && is_blank(*text); len--)
        text++;
    while (len > 0 && is_blank(text[len - 1]))
        len--;
    return len ? json_stringn(text, len) : NULL;
}

static int chat_message(spout_websocket *ws, const json_t *data)
{
    const person *p = spout_websocket_state(ws);
    if (!p->room)
        return tell_error(ws, "Not in any room");
    json_t *text = text_of(data);
    if (!text)
        return tell_error(ws, "Message cannot be empty");
    json_t *message = json_pack("{s:s, s:s, s:o, s:s, s:o, s:s}", "type", "chat_message",
        "username", p->username, "message", text, "room", room_name(p->room), "timestamp",
        site_timestamp(), "connection_id", p->id);
    if (publish(p->room, message) < 0)
        return tell_error(ws, "The server is busy: the message was not sent");
    return 0;
}

/* False if there is nobody of that id, on any worker. */
static bool send_to(const char *id, json_t *message)
{
    if (strlen(id) != ID_LEN) {
        json_decref(message);
        return false;
    }
    spout_topic *target = spout_topic_new_named(topic_of_person(id));
    bool is_there = target && spout_topic_count(target) > 0;
    if (is_there)
        is_there = publish(target, message) == 0;
    else
        json_decref(message);
    spout_topic_free(target);
    return is_there;
}

static int private_message(spout_websocket *ws, const json_t *data)
{
    const person *p = spout_websocket_state(ws);
    const char *id = name_of(data, "target_connection");
    json_t *text = id ? text_of(data) : NULL;
    if (!text)
        return tell_error(ws, "Target connection and message are required");
    json_t *sent = json_pack(
        "{s:s, s:s, s:O}", "type", "private_message_sent", "to", id, "message", text);
    json_t *message = json_pack("{s:s, s:s, s:o, s:o, s:s}", "type", "private_message", "from",
        *p->username ? p->username : "Anonymous", "message", text, "timestamp", site_timestamp(),
        "connection_id", p->id);
    if (send_to(id, message))
        return tell(ws, sent);
    json_decref(sent);
    return tell_error(ws, "Failed to send private message");
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
    const char *type = name_of(data, "type");
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
    spout_uuid4(p->id);
    person_count++;
    p->alone = spout_topic_new_named(topic_of_person(p->id));
    if (!p->alone || spout_topic_join(p->alone, ws) < 0)
        return -1;
    return tell(ws, json_pack("{s:s, s:s, s:s}", "type", "welcome", "connection_id", p->id,
                        "message", "Connected"));
}

/* It has left its topics already. */
static int on_close(spout_websocket *ws)
{
    const person *p = spout_websocket_state(ws);
    spout_topic_free(p->room);
    spout_topic_free(p->alone);
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
