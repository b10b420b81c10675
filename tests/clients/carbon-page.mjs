// The few browser globals that @carbon/ai-chat touches while its modules load. Nothing is drawn.

const element = () => ({
  style: {},
  classList: { add() {}, remove() {} },
  setAttribute() {},
  appendChild() {},
  addEventListener() {},
});

const page = {
  window: globalThis,
  self: globalThis,
  screen: { height: 1080, width: 1920 },
  document: {
    ...element(),
    body: element(),
    head: element(),
    documentElement: element(),
    createElement: element,
    createTextNode: element,
    querySelector: () => null,
    querySelectorAll: () => [],
    getElementById: () => null,
  },
  HTMLElement: class {},
  Element: class {},
  customElements: { define() {}, get() {} },
};

for (const [name, value] of Object.entries(page)) {
  if (!(name in globalThis)) globalThis[name] = value;
}
if (!globalThis.navigator) globalThis.navigator = { userAgent: "third-party-clients", language: "en" };
