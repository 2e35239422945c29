// What the frame of a page needs of code: light or dark before anything is painted, and the button that chooses. It is loaded
// in the head of every page, also of those that have no other script.

import { applyTheme, nextTheme, readTheme, saveTheme, type Theme } from './theme.js';

const WORDS: Readonly<Record<Theme, string>> = { system: 'as the system has them', light: 'light', dark: 'dark' };

let chosen = readTheme();
applyTheme(chosen);

// Any page can be looked at in the other direction: ?dir=rtl.
if (new URLSearchParams(location.search).get('dir') === 'rtl') document.documentElement.dir = 'rtl';

function show(button: HTMLElement, theme: Theme): void {
  button.dataset.ready = '';
  button.setAttribute('aria-label', `Colours: ${WORDS[theme]}`);
  button.title = `Colours: ${WORDS[theme]}`;
  for (const part of button.querySelectorAll<HTMLElement>('[data-for]')) part.hidden = part.dataset.for !== theme;
}

document.addEventListener('DOMContentLoaded', () => {
  const buttons = document.querySelectorAll<HTMLElement>('[data-theme-choice]');
  const set = (theme: Theme): void => {
    chosen = theme;
    applyTheme(theme);
    for (const b of buttons) show(b, theme);
  };
  for (const b of buttons) {
    show(b, chosen);
    b.addEventListener('click', () => {
      set(nextTheme(chosen));
      saveTheme(chosen);
    });
  }
  // Chosen in another tab.
  window.addEventListener('storage', () => set(readTheme()));
  // A page that was put away may have been chosen for meanwhile.
  window.addEventListener('pageshow', () => set(readTheme()));
});
