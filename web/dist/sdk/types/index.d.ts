/**
 * The client of Starling, a real-time server: channels over WebSocket, Server-Sent Events or long polling,
 * recovered without loss or doubles.
 *
 * @packageDocumentation
 */
export type { Abortable } from './abort.js';
export type { Channel, HistoryPage, HistoryQuery, IterateOptions, PublishOptions, TypesOf } from './channel.js';
export { type Client, type ClientEvents, type ClientOptions, createClient } from './client.js';
export type { Devtools } from './devtools/index.js';
export type { Dropped } from './drop.js';
export { StarlingError } from './errors.js';
export type { ConnectionState, Reason, TokenReason, TransportName } from './machine.js';
export type { OutboxEvent } from './outbox.js';
export type { ChannelPattern, PatternValues } from './pattern.js';
export { channelTrouble, codes, type Filter, type Publication, type Signal, type SlowPolicy } from './protocol.js';
export type { Published } from './publisher.js';
export type { ChannelEvents, ChannelOptions } from './subscription.js';
export type { GetToken } from './tokens.js';
export type { Frame, WebSocketLike, WebSocketMaker } from './wire.js';
