import type { StarlingError } from '../errors.js';
import type { Publication } from '../protocol.js';
/** How a component reads a history. */
export interface UseHistoryOptions {
    /** How many publications a page has; 50 unless told. */
    readonly limit?: number;
    /** Whether what is published now is added; true unless told. */
    readonly live?: boolean;
}
/** A history as a component sees it: the newest page first, older ones on demand, and what comes. */
export interface HistoryView<T> {
    /** Oldest first, each once. */
    readonly publications: readonly Publication<T>[];
    readonly status: 'loading' | 'ready' | 'failed';
    readonly error: StarlingError | null;
    /** Whether there are older ones. */
    readonly more: boolean;
    /** Reads the page before. */
    readonly loadMore: () => Promise<void>;
    /** Reads it anew, from the newest. */
    readonly reload: () => Promise<void>;
}
/** Reads the history of a channel, the newest page first, and follows what comes, without a gap between the two. */
export declare function useHistory<T = unknown>(name: string, { limit, live }?: UseHistoryOptions): HistoryView<T>;
