/** @internal What a tab is told that has to have a connection of its own. */
export const alone = { code: 0, name: 'alone', message: 'This tab needs a connection of its own.', retry: true };
