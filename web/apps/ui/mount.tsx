import { type ReactNode, StrictMode } from 'react';
import { createRoot, hydrateRoot } from 'react-dom/client';

/** Shows a page in its #app. What the build has put there already is taken over. */
export function mount(page: ReactNode): void {
  const place = document.getElementById('app');
  if (!place) throw new Error('The page has no #app.');
  const strict = <StrictMode>{page}</StrictMode>;
  if (place.hasChildNodes()) hydrateRoot(place, strict);
  else createRoot(place).render(strict);
}
