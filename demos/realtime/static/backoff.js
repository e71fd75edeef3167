// Waits between attempts: twice as long each time, up to a maximum, and spread so that clients that lost the same server don't
// come back all at once. Coming online or back to the page ends a wait early.

const FIRST_MS = 500;
const LONGEST_MS = 15000;

export class Backoff {
    #failures = 0;
    #wake = null;

    constructor() {
        window.addEventListener("online", () => this.wake());
        document.addEventListener("visibilitychange", () => {
            if (!document.hidden)
                this.wake();
        });
    }

    reset() {
        this.#failures = 0;
    }

    wake() {
        this.#wake?.();
    }

    // Resolves when it is time for the next attempt.
    wait() {
        const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures);
        this.#failures = Math.min(this.#failures + 1, 10);
        return new Promise((resolve) => {
            const timer = setTimeout(() => this.#wake(), longest / 2 + Math.random() * longest / 2);
            this.#wake = () => {
                clearTimeout(timer);
                this.#wake = null;
                resolve();
            };
        });
    }
}
