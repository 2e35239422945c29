import { refuse } from './errors.js';

/** A name of channels with places in it: `chat:{room}`. */
export type ChannelPattern = `${string}{${string}}${string}`;

/** What stands in the places of a {@link ChannelPattern}. */
export type PatternValues = Readonly<Record<string, string | number>>;

/** @internal Puts values in their places. One that could mean another channel than it should is refused. */
export function fill(pattern: string, values: PatternValues): string {
  return pattern.replace(/\{([^{}]*)\}/g, (_, name: string) => {
    const value = Object.hasOwn(values, name) ? String(values[name]) : '';
    const trouble = value === '' ? 'is missing' : /[:*{}]/.test(value) ? 'may not contain ":", "*" or braces' : '';
    if (trouble) throw refuse('bad_channel', `The value of {${name}} in ${pattern} ${trouble}.`);
    return value;
  });
}
