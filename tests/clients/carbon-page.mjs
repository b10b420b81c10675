// The few browser globals that @carbon/ai-chat touches while its modules load and when it starts a
// chat. Nothing is drawn.

globalThis.window = globalThis;
globalThis.screen = { height: 1080, width: 1920 };
// Node.js has a navigator of its own from version 21.
globalThis.navigator ??= { userAgent: "third-party-clients", language: "en", platform: "" };
