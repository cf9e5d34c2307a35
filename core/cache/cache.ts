/** A cache that processes share: texts by key. It may forget anything at any time and costs its callers speed only. */

/** Times a cache was asked and could answer, or could not. */
export interface CacheCounts {
  readonly hits: number
  readonly misses: number
}

/**
 * One named cache. Nothing here ever rejects or takes longer than about 100 ms: what cannot be had is a miss, what
 * cannot be put is not kept. Whoever changes the source calls `drop` after the change; from then on this process is
 * never answered with what stood there before, whether the drop was heard or not.
 */
export interface SharedCache {
  /** It never has anything: whoever would have to make a text for it need not. */
  readonly isNone?: true
  /** The text of this key; no promise where there is nothing to wait for. */
  get(key: string): undefined | Promise<string | undefined>
  /** Keeps a text for `ttlMs` at most, unless something stands there or was dropped a moment ago. */
  put(key: string, text: string, ttlMs: number): Promise<void>
  /**
   * Forgets the key for all processes, and for about 10 s keeps anybody from putting: a reader who loaded the old
   * value before the change and is slow must not bring it back.
   */
  drop(key: string): Promise<void>
  /** This process may have missed changes: what stands there now is no answer for it any more. Others keep theirs. */
  distrust(): void
  counts(): CacheCounts
  /** Ends what it holds itself; a connection it was given stays open. */
  close(): Promise<void>
}
