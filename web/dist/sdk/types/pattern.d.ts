/** A name of channels with places in it: `chat:{room}`. */
export type ChannelPattern = `${string}{${string}}${string}`;
/** What stands in the places of a {@link ChannelPattern}. */
export type PatternValues = Readonly<Record<string, string | number>>;
