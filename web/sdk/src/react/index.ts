/**
 * Hooks for React 18 and later.
 *
 * @packageDocumentation
 */

export { StarlingProvider, useClient } from './context.js';
export { type ChannelView, type UseChannelOptions, useChannel } from './channel.js';
export { type HistoryView, type UseHistoryOptions, useHistory } from './history.js';
export { type ConnectionView, useConnection } from './connection.js';
export { usePublish, type UsePublish, useSignal } from './send.js';
