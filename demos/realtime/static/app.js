import { startChat } from "./chat.js";
import { startFeed } from "./feed.js";
import { startStats } from "./stats.js";

startChat();
startFeed();
startStats();
