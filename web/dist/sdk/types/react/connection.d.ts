import type { ConnectionState } from '../machine.js';
/** What the connection is, and whom the server takes the client for. */
export interface ConnectionView {
    readonly state: ConnectionState;
    /** Empty if the client is anonymous, or it is not known yet. */
    readonly user: string;
    /** Connects at once, also after a failure, and instead of waiting. */
    connect(): void;
    disconnect(): void;
}
/** The state of the connection. It does not connect by itself: what needs the connection does. */
export declare function useConnection(): ConnectionView;
