// Rooms, who is in ours, and private messages.

import { byId, make, makeTime, recall, remember, showState, textOf } from "./dom.js";
import { Socket } from "./socket.js";

const KEPT_MESSAGES = 500;
const ONE_BREATH_MS = 5 * 60000; // messages of one person within so long need no new heading
const NAME_KEY = "waterspout.username";

const joinForm = byId("join-form");
const chatForm = byId("chat-form");
const usernameBox = byId("username");
const roomBox = byId("room");
const messageBox = byId("message");
const recipientBox = byId("recipient");
const messageList = byId("messages");
const memberList = byId("members");
const newestButton = byId("newest");
const notice = byId("notice");

let socket;
let connectionId = "";
let room = ""; // the one the server says we are in
let wanted = null; // { room, username } to return to after a reconnect
let unread = 0;
let follows = true; // the list is scrolled to its end and stays there
let listHeight = 0;
const members = new Map(); // connection id → name, our own included
const correspondents = new Map(); // those outside the room who wrote to us, or to whom we wrote
const pageTitle = document.title;

// --- the list of messages ---

function watchEnd() {
    // A change of size scrolls too, which is not what the reader wants: keepEnd sees to that.
    if (messageList.clientHeight === listHeight)
        follows = messageList.scrollHeight - messageList.scrollTop - messageList.clientHeight < 40;
    if (follows)
        newestButton.hidden = true;
}

// Whoever reads older messages is left there.
function followEnd() {
    if (follows)
        messageList.scrollTop = messageList.scrollHeight;
}

function goToEnd() {
    follows = true;
    newestButton.hidden = true;
    followEnd();
}

function keepEnd() {
    listHeight = messageList.clientHeight;
    followEnd();
}

function append(item) {
    messageList.append(item);
    while (messageList.childElementCount > KEPT_MESSAGES)
        messageList.firstElementChild.remove();
    messageList.firstElementChild.classList.remove("again");
    followEnd();
}

function addEvent(text) {
    append(make("div", "event", text));
}

// Goes on what the message before it began.
function isAgain(item, at) {
    const before = messageList.lastElementChild;
    return before?.dataset.from === item.dataset.from && before.className.replace(" again", "") === item.className &&
        at - Number(before.dataset.at) < ONE_BREATH_MS;
}

function addMessage({ className, from, who, note, text, timestamp }) {
    const head = make("div", "head", make("span", "who", who));
    if (note)
        head.append(" ", make("span", "note", note));
    const time = makeTime(timestamp);
    head.append(" ", time);
    const item = make("div", className, head, make("div", "text", textOf(text)));
    item.dataset.from = from;
    item.dataset.at = new Date(timestamp).getTime();
    item.title = time.title;
    if (isAgain(item, Number(item.dataset.at)))
        item.classList.add("again");
    append(item);
    newestButton.hidden = follows;
    if (document.hidden && !item.classList.contains("own")) {
        unread++;
        document.title = `(${unread}) ${pageTitle}`;
    }
}

function showNotice(text) {
    notice.textContent = text;
    notice.hidden = !text;
}

// --- who is here ---

function nameOf(id) {
    return members.get(id) ?? correspondents.get(id) ?? "someone";
}

function chooseRecipient(id) {
    recipientBox.value = recipientBox.value === id ? "" : id;
    markRecipient();
    messageBox.focus();
}

function markRecipient() {
    for (const button of memberList.querySelectorAll("button"))
        button.setAttribute("aria-pressed", String(button.dataset.connection === recipientBox.value));
}

function makeMember(id, name) {
    if (id === connectionId)
        return make("li", "", make("span", "me", `${name} (you)`));
    const button = make("button", "", name);
    button.type = "button";
    button.dataset.connection = id;
    button.title = `Write to ${name} alone`;
    button.addEventListener("click", () => chooseRecipient(id));
    return make("li", "", button);
}

// Two people may have the same name: then a piece of the id tells them apart.
function labelled(people) {
    const count = new Map();
    for (const [, name] of people)
        count.set(name, (count.get(name) ?? 0) + 1);
    return people.map(([id, name]) => [id, count.get(name) > 1 ? `${name} (${id.slice(0, 4)})` : name]);
}

function showMembers() {
    const people = labelled([...members].sort((a, b) => a[1].localeCompare(b[1])));
    const focused = document.activeElement?.dataset?.connection;
    memberList.replaceChildren(...people.map(([id, name]) => makeMember(id, name)));
    byId("member-count").textContent = String(members.size);
    showRecipients(people);
    if (focused)
        [...memberList.querySelectorAll("button")].find((button) => button.dataset.connection === focused)?.focus();
}

function showRecipients(people) {
    const chosen = recipientBox.value;
    const outside = [...correspondents].filter(([id]) => !members.has(id));
    const others = [...people.filter(([id]) => id !== connectionId), ...outside];
    recipientBox.replaceChildren(new Option("Everyone here", ""), ...others.map(([id, name]) => new Option(name, id)));
    recipientBox.value = others.some(([id]) => id === chosen) ? chosen : "";
    markRecipient();
    showAbility();
}

// --- what can be done now ---

function showAbility() {
    byId("join").disabled = !socket?.isOpen;
    byId("leave").disabled = !socket?.isOpen || !room;
    byId("send").disabled = !socket?.isOpen || (!room && !recipientBox.value);
}

function showRoom() {
    byId("room-name").textContent = room ? `In ${room} as ${wanted.username}` : "Not in a room";
    byId("join").textContent = room ? "Change" : "Join";
    showMembers();
}

function forgetRoom() {
    room = "";
    members.clear();
    showRoom();
}

// --- from the server ---

const receivers = {
    welcome(data) {
        connectionId = data.connection_id;
        correspondents.clear(); // the ids of before a reconnect may be gone
        showNotice("");
        showAbility();
        if (wanted)
            socket.send({ type: "join_room", ...wanted });
    },
    room_joined(data) {
        room = data.room;
        wanted = { room: data.room, username: data.username };
        members.clear();
        for (const member of data.members ?? [])
            members.set(member.connection_id, member.username);
        members.set(connectionId, data.username);
        showNotice("");
        showRoom();
        addEvent(`You are in ${room}`);
        history.replaceState(null, "", `#room=${encodeURIComponent(room)}`);
    },
    user_joined(data) {
        members.set(data.connection_id, data.username);
        showMembers();
        addEvent(`${data.username} joined`);
    },
    user_left(data) {
        members.delete(data.connection_id);
        showMembers();
        addEvent(`${data.username} left`);
    },
    chat_message(data) {
        const own = data.connection_id === connectionId;
        addMessage({ className: own ? "message own" : "message", from: data.connection_id,
            who: own ? "You" : data.username, text: data.message, timestamp: data.timestamp });
    },
    private_message(data) {
        if (data.connection_id && data.connection_id !== connectionId) {
            correspondents.set(data.connection_id, data.from);
            showMembers();
        }
        addMessage({ className: "message private", from: data.connection_id, who: data.from, note: "to you alone",
            text: data.message, timestamp: data.timestamp });
    },
    private_message_sent(data) {
        addMessage({ className: "message own private", from: `to ${data.to}`, who: "You",
            note: `to ${nameOf(data.to)} alone`, text: data.message, timestamp: Date.now() });
    },
    error(data) {
        showNotice(data.message);
    },
};

function onMessage(data) {
    if (Object.hasOwn(receivers, data?.type))
        receivers[data.type](data);
}

const STATES = { connecting: "Connecting…", open: "Connected", lost: "Connection lost, trying again" };

function onState(state) {
    showState(byId("connection"), state, STATES[state]);
    if (state === "lost") {
        if (room)
            addEvent("The connection was lost");
        forgetRoom();
    }
    showAbility();
}

// --- from the person ---

function join(event) {
    event.preventDefault();
    const username = usernameBox.value.trim() || "Anonymous";
    const name = roomBox.value.trim();
    if (!name)
        return showNotice("Name a room to join");
    remember(NAME_KEY, usernameBox.value.trim());
    wanted = { room: name, username };
    if (!socket.send({ type: "join_room", ...wanted }))
        return showNotice("There is no connection yet: the room is joined as soon as there is one");
    messageBox.focus();
}

function leave() {
    socket.send({ type: "leave_room" });
    addEvent(`You left ${room}`);
    wanted = null;
    forgetRoom();
    history.replaceState(null, "", location.pathname + location.search);
    roomBox.focus();
}

function say(event) {
    event.preventDefault();
    const message = messageBox.value.trim();
    if (!message)
        return;
    const target = recipientBox.value;
    const sent = target
        ? socket.send({ type: "private_message", target_connection: target, message })
        : socket.send({ type: "chat_message", message });
    if (!sent)
        return showNotice("There is no connection: your message is still in the box");
    showNotice("");
    goToEnd(); // one's own message is what one wants to see
    messageBox.value = "";
    messageBox.focus();
}

export function startChat() {
    usernameBox.value = recall(NAME_KEY);
    const linked = new URLSearchParams(location.hash.slice(1)).get("room");
    if (linked)
        roomBox.value = linked;
    joinForm.addEventListener("submit", join);
    chatForm.addEventListener("submit", say);
    byId("leave").addEventListener("click", leave);
    recipientBox.addEventListener("change", () => {
        markRecipient();
        showAbility();
    });
    messageList.addEventListener("scroll", watchEnd);
    newestButton.addEventListener("click", () => {
        goToEnd();
        messageList.focus();
    });
    new ResizeObserver(keepEnd).observe(messageList);
    document.addEventListener("visibilitychange", () => {
        if (!document.hidden) {
            unread = 0;
            document.title = pageTitle;
        }
    });
    socket = new Socket("/ws/chat", { onMessage, onState });
}
