// What the parts of the page share. Foreign text reaches the page by textContent only.

export function byId(id) {
    return document.getElementById(id);
}

// An element with a class and children; a string child becomes a text node.
export function make(tag, className, ...children) {
    const element = document.createElement(tag);
    if (className)
        element.className = className;
    element.append(...children);
    return element;
}

export function showState(element, state, text) {
    element.dataset.state = state;
    if (element.textContent !== text)
        element.textContent = text;
}

export function makeTime(timestamp) {
    const time = new Date(timestamp);
    const element = make("time", "", isNaN(time) ? "" : time.toLocaleTimeString([], { timeStyle: "short" }));
    if (!isNaN(time)) {
        element.dateTime = time.toISOString();
        element.title = time.toLocaleString();
    }
    return element;
}

// JSON values that are not text are shown as JSON.
export function textOf(value) {
    return typeof value === "string" ? value : JSON.stringify(value);
}

// What was stored in the browser, where it lets us.
export function recall(key) {
    try {
        return localStorage.getItem(key) ?? "";
    } catch {
        return "";
    }
}

export function remember(key, value) {
    try {
        localStorage.setItem(key, value);
    } catch {
        // A browser that keeps nothing: the name is typed anew next time.
    }
}
