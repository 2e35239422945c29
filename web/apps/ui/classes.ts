/** Joins the class names that hold. */
export const classes = (...names: readonly (string | false | null | undefined)[]): string => names.filter(Boolean).join(' ');

/** What something says of itself. Colour is never the only thing that says it. */
export type Tone = 'plain' | 'good' | 'warn' | 'bad' | 'note';
