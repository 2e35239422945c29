/** What became of a publication. */
export interface Published {
    readonly offset: number;
    readonly position: string;
    /** Whether it was stored before, under the same key. */
    readonly duplicate: boolean;
    readonly key: string;
}
