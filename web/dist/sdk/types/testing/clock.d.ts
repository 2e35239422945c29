/** Time that passes only when it is told to. */
export declare class TestClock {
    #private;
    /** The time of the day, in Unix milliseconds. It may be set, as if a machine had slept. */
    now: number;
    /** Lets time pass, and all that happens in it happen, in its order. Resolves when that is done. */
    pass(ms: number): Promise<void>;
}
