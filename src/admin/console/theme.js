// Before anything is drawn: the theme a person chose on this machine, else the system's.
export const THEMES = ['auto', 'light', 'dark'];
const KEY = 'liveagent-bridge-theme';

export function theme() {
  const kept = localStorage.getItem(KEY);
  return THEMES.includes(kept) ? kept : 'auto';
}

export function setTheme(name) {
  localStorage.setItem(KEY, name);
  document.documentElement.dataset.theme = name;
}

document.documentElement.dataset.theme = theme();
